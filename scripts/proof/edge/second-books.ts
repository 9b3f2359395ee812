/** The rules of the second Stripe, as far as its documentation and its package tell them. */
export interface SecondCall {
  readonly method: string;
  readonly path: string;
  readonly params: URLSearchParams;
  readonly key: string;
  /** Empty: the platform's own. */
  readonly account: string;
  readonly idempotencyKey: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A call that has begun: it goes on whether or not its client is still there. */
export interface Begun {
  finish(nowMs: number): Reply;
}

interface BooksOptions {
  ratePerS: number;
  basicRatePerS: number;
  readonly meters: readonly string[];
}

interface Counted {
  readonly account: string;
  readonly customer: string;
  readonly eventName: string;
  readonly value: string;
}

const dayS = 86_400;
const secondMs = 1_000;

export class SecondBooks {
  readonly limits: BooksOptions;
  readonly revokedKeys = new Set<string>();
  readonly revokedAccounts = new Set<string>();
  readonly unknownCustomers = new Set<string>();
  /** What is on the bill. */
  readonly counted: Counted[] = [];
  /** What was answered 200 and will never be on the bill: the codes of Stripe's error report. */
  readonly dropped: string[] = [];
  calls = 0;
  throttled = 0;
  conflicts = 0;
  duplicates = 0;
  /** Most meter events of the platform that were let through in a second. */
  peakPerSecond = 0;
  readonly #takenAtMs = new Map<string, number[]>();
  readonly #identifiers = new Map<string, number>();
  readonly #busy = new Set<string>();
  readonly #replays = new Map<string, { readonly params: string; readonly reply: Reply; readonly atMs: number }>();

  constructor(limits: BooksOptions) {
    this.limits = limits;
  }

  /** What a customer owes for a meter, as an exact sum. */
  owed(customer: string, eventName: string, account = ''): string {
    let units = 0n;
    for (const one of this.counted) {
      if (one.customer !== customer || one.eventName !== eventName || one.account !== account) continue;
      const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(one.value) ?? [];
      const amount = BigInt(whole + fraction.padEnd(12, '0'));
      units += sign === '-' ? -amount : amount;
    }
    const digits = (units < 0n ? -units : units).toString().padStart(13, '0');
    const fraction = digits.slice(-12).replace(/0+$/, '');
    return `${units < 0n ? '-' : ''}${digits.slice(0, -12)}${fraction === '' ? '' : `.${fraction}`}`;
  }

  begin(call: SecondCall, nowMs: number): Reply | Begun {
    const isEvent = call.method === 'POST' && call.path === '/v1/billing/meter_events';
    if (isEvent) this.calls++;
    if (call.key === '' || this.revokedKeys.has(call.key)) return refusal(401, 'Invalid API Key provided.');
    if (this.revokedAccounts.has(call.account))
      return refusal(403, 'The provided key does not have access to that account.', { code: 'account_invalid' });
    const limited = this.#limit(call, isEvent, nowMs);
    if (limited !== undefined) return limited;
    if (isEvent) return this.#beginEvent(call, nowMs);
    if (call.method === 'GET' && call.path === '/v1/billing/meters') return { finish: () => this.#list(call.params) };
    return refusal(404, `Unrecognized request URL (${call.method}: ${call.path}).`);
  }

  /** Refused calls do not use the limit up. */
  #limit({ account }: SecondCall, isEvent: boolean, nowMs: number): Reply | undefined {
    const isOwnEvent = isEvent && account === '';
    const name = isOwnEvent ? 'meter events' : `basic ${account}`;
    const taken = (this.#takenAtMs.get(name) ?? []).filter((atMs) => atMs > nowMs - secondMs);
    this.#takenAtMs.set(name, taken);
    if (taken.length >= (isOwnEvent ? this.limits.ratePerS : this.limits.basicRatePerS)) {
      this.throttled++;
      const headers = { 'stripe-rate-limited-reason': isOwnEvent ? 'endpoint-rate' : 'global-rate' };
      return refusal(429, 'Request rate limit exceeded.', { code: 'rate_limit', headers });
    }
    taken.push(nowMs);
    if (isOwnEvent) this.peakPerSecond = Math.max(this.peakPerSecond, taken.length);
    return undefined;
  }

  #beginEvent(call: SecondCall, nowMs: number): Reply | Begun {
    const { params, account, idempotencyKey } = call;
    const eventName = params.get('event_name') ?? '';
    const customer = params.get('payload[stripe_customer_id]') ?? '';
    const replayKey = `${account} ${call.key} ${idempotencyKey}`;
    const known = idempotencyKey === undefined ? undefined : this.#replays.get(replayKey);
    if (known !== undefined && nowMs - known.atMs < dayS * secondMs) {
      if (known.params !== params.toString())
        return refusal(400, 'Keys for idempotent requests can only be used with the same parameters.', {
          type: 'idempotency_error',
        });
      return { ...known.reply, headers: { ...known.reply.headers, 'idempotent-replayed': 'true' } };
    }
    const lane = `${account} ${customer} ${eventName}`;
    if (this.#busy.has(lane)) {
      this.conflicts++;
      return refusal(409, 'Another request for this customer and meter is in progress.', { type: 'api_error' });
    }
    this.#busy.add(lane);
    return {
      finish: (endedAtMs) => {
        this.#busy.delete(lane);
        const reply = this.#event(call, eventName, customer, endedAtMs);
        if (idempotencyKey !== undefined)
          this.#replays.set(replayKey, { params: params.toString(), reply, atMs: endedAtMs });
        return reply;
      },
    };
  }

  #event({ params, account, key }: SecondCall, eventName: string, customer: string, nowMs: number): Reply {
    const value = params.get('payload[value]') ?? '';
    const identifier = params.get('identifier') ?? crypto.randomUUID();
    const nowS = Math.floor(nowMs / 1_000);
    const timestamp = Number(params.get('timestamp') ?? nowS);
    if (eventName === '' || eventName.length > 100) return refusal(400, 'event_name has 1 to 100 characters.');
    if (identifier.length > 100) return refusal(400, 'identifier has at most 100 characters.');
    if (customer === '' || !/^-?\d+(\.\d+)?$/.test(value)) return refusal(400, 'payload lacks a customer or a value.');
    if (value.replace(/[-.]/g, '').replace(/^0+/, '').length > 15) return refusal(400, 'value has too many digits.');
    if (!Number.isInteger(timestamp) || timestamp < nowS - 35 * dayS)
      return refusal(400, 'timestamp is too far in the past.', { code: 'timestamp_too_far_in_past' });
    if (timestamp > nowS + 300) return refusal(400, 'timestamp is in the future.', { code: 'timestamp_in_future' });
    const knownAtMs = this.#identifiers.get(identifier);
    if (knownAtMs !== undefined && nowMs - knownAtMs < dayS * secondMs) {
      this.duplicates++;
      const headers = { 'stripe-should-retry': 'false' };
      return refusal(400, `An event already exists with identifier ${identifier}.`, { headers });
    }
    this.#identifiers.set(identifier, nowMs);
    // Received is not counted: these are found out later, and only told in an error report.
    if (!this.limits.meters.includes(eventName)) this.dropped.push('no_meter');
    else if (this.unknownCustomers.has(customer)) this.dropped.push('meter_event_customer_not_found');
    else this.counted.push({ account, customer, eventName, value });
    const payload = Object.fromEntries(
      [...params].flatMap(([name, text]) => {
        const [, field] = /^payload\[(.+)\]$/.exec(name) ?? [];
        return field === undefined ? [] : [[field, text]];
      }),
    );
    const livemode = key.includes('_live_');
    const event = { object: 'billing.meter_event', created: nowS, event_name: eventName, identifier };
    return { status: 200, body: { ...event, livemode, payload, timestamp } };
  }

  /** Two meters a page, however many are asked for: whoever stops at the first page knows half of them. */
  #list(params: URLSearchParams): Reply {
    const after = params.get('starting_after');
    const from = after === null ? 0 : this.limits.meters.findIndex((name) => `mtr_${name}` === after) + 1;
    const names = this.limits.meters.slice(from, from + 2);
    const data = names.map((name) => ({
      id: `mtr_${name}`,
      object: 'billing.meter',
      event_name: name,
      display_name: name,
      status: 'active',
      customer_mapping: { type: 'by_id', event_payload_key: 'stripe_customer_id' },
      value_settings: { event_payload_key: 'value' },
      default_aggregation: { formula: 'sum' },
      event_time_window: null,
    }));
    const hasMore = from + names.length < this.limits.meters.length;
    return { status: 200, body: { object: 'list', url: '/v1/billing/meters', has_more: hasMore, data } };
  }
}

interface RefusalOptions {
  readonly code?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function refusal(status: number, message: string, options: RefusalOptions = {}): Reply {
  const { code, type = 'invalid_request_error', headers } = options;
  return {
    status,
    body: { error: { type, message, ...(code === undefined ? {} : { code }) } },
    ...(headers === undefined ? {} : { headers }),
  };
}
