/**
 * Stripe as a provider: v1 meter events through the official package (stripe.com/docs/api/billing/meter-event).
 *
 * One `send` is one HTTP call. An entry's identifier never changes, and each call has an Idempotency-Key of its own:
 * with a repeated key Stripe would replay a stored 500 for ever, while the identifier finds the event itself.
 */
import Stripe from 'stripe';
import { z } from 'zod';
import type { Secret } from '../../../../shared/config/secret.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { classify } from './classify.ts';
import { createHttpClient } from './http-client.ts';
import { type Formula, type Meter, MetersUnreadable, type Outcome, type Provider } from './provider.ts';

export interface StripeOptions {
  /** Read before every call, so that a rotated key is taken without a restart. */
  readonly apiKey: Secret;
  /** Origin such as `https://api.stripe.com`. */
  readonly apiBase: string;
  /** One call's limit from connecting to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Calls in flight at once; as many connections are kept. */
  readonly concurrency: number;
}

export interface StripeProvider extends Provider {
  /** What Stripe says to the key as it is now, if it refuses it; undefined for every other answer, and for none in time. */
  keyRefusal(): Promise<string | undefined>;
  /** Ends the connections, with them the calls in flight. */
  close(): void;
}

type MeterEvent = Stripe.Billing.MeterEventCreateParams;

const defaultKeys = { customerKey: 'stripe_customer_id', valueKey: 'value' } as const;
const meterPageSize = 100;
const meterPagesMax = 200;
const listTimeMaxMs = 10_000;
/** Nobody waits longer for a word about the key. */
const keyTimeMaxMs = 2_000;
/** Reads of meters at a time: the platform's own, and those of connected accounts. */
export const meterReadsMax = 8;

export function createStripeProvider({ apiKey, apiBase, timeoutMs, concurrency }: StripeOptions): StripeProvider {
  // Calls that take long must not keep the meters from being read.
  const httpClient = createHttpClient(concurrency + meterReadsMax + 1);
  const stripe = new Stripe('', {
    ...addressOf(apiBase),
    authenticator: (request) => {
      request.headers['Authorization'] = `Bearer ${apiKey.reveal()}`;
      return Promise.resolve();
    },
    httpClient,
    maxNetworkRetries: 0,
    telemetry: false,
    timeout: timeoutMs,
  });

  return {
    async send(entry, meter): Promise<Outcome> {
      try {
        const event = meterEventOf(entry, meter);
        if ('conflict' in event) return { kind: 'refused', reason: event.conflict };
        const { account } = entry;
        const options = account === undefined ? {} : { stripeAccount: account };
        return classify(await stripe.billing.meterEvents.create(event, options));
      } catch (error) {
        return classify(error);
      }
    },

    async meters(account) {
      try {
        return await readMeters(stripe, account);
      } catch (error) {
        const outcome = classify(error);
        const reason = 'reason' in outcome ? outcome.reason : String(error);
        throw new MetersUnreadable(reason, { cause: error, isKeyRefused: outcome.kind === 'unauthorized' });
      }
    },

    async keyRefusal() {
      const timeout = Math.min(timeoutMs, keyTimeMaxMs);
      // A page without an `error` is no rejection for the package.
      const outcome = classify(
        await stripe.billing.meters.list({ limit: 1 }, { timeout }).catch((error: unknown) => error),
      );
      return outcome.kind === 'unauthorized' ? outcome.reason : undefined;
    },

    close: () => httpClient.close(),
  };
}

async function readMeters(stripe: Stripe, account: string | undefined): Promise<readonly Meter[]> {
  const byName = new Map<string, [Stripe.Billing.Meter, ...Stripe.Billing.Meter[]]>();
  for await (const meter of listedMeters(stripe, account)) {
    const named = byName.get(meter.event_name);
    if (named === undefined) byName.set(meter.event_name, [meter]);
    else named.push(meter);
  }
  return [...byName.values()].map(meterNamed);
}

/** A name can be used again once its meter is archived: the active one takes its events, and the newest one is listed first. */
function meterNamed(named: readonly [Stripe.Billing.Meter, ...Stripe.Billing.Meter[]]): Meter {
  const active = named.filter(({ status }) => status === 'active');
  const current = active[0] ?? named[0];
  const meter = meterOf(current);
  const namesakes = named.flatMap((other) => (other === current ? [] : [{ id: other.id, formula: formulaIn(other) }]));
  return {
    ...meter,
    // Stripe allows one active meter of a name. Should there be two that differ, an event of its own is right for both.
    ...(active.some((other) => formulaIn(other) !== meter.formula) ? { formula: 'count' } : {}),
    ...(namesakes.length === 0 ? {} : { namesakes }),
  };
}

/**
 * The package's own paging would take a proxy's answer without an `error` for a list, and follow one that has no end for ever.
 * Each page has the time of a call, and all of them together so much, or one call's more.
 */
async function* listedMeters(stripe: Stripe, account: string | undefined): AsyncGenerator<Stripe.Billing.Meter> {
  const startedAtMs = performance.now();
  let after: string | undefined;
  for (let pages = 0; ; pages++) {
    if (pages >= meterPagesMax) throw new Error(`The list of meters has no end within ${meterPagesMax} pages.`);
    if (performance.now() - startedAtMs > listTimeMaxMs) throw new Error('The list of meters takes too long.');
    const page = await stripe.billing.meters.list(
      { limit: meterPageSize, ...(after === undefined ? {} : { starting_after: after }) },
      account === undefined ? {} : { stripeAccount: account },
    );
    const { statusCode } = page.lastResponse;
    if (statusCode !== 200 || page.object !== 'list' || !Array.isArray(page.data))
      throw new Error(`HTTP ${statusCode} without Stripe's list of meters.`);
    for (const meter of page.data) {
      const malformed = listedMeter.safeParse(meter).error?.issues[0];
      if (malformed !== undefined)
        throw new Error(
          `A list of meters with one that is malformed at ${malformed.path.join('.')}: ${malformed.message}`,
        );
      yield meter;
    }
    if (!page.has_more) return;
    const last = page.data.at(-1)?.id;
    if (last === undefined || last === after)
      throw new Error('The list of meters announces another page, but does not advance.');
    after = last;
  }
}

/** What is read of a meter. */
const listedMeter = z.object({
  id: z.string(),
  event_name: z.string(),
  status: z.string(),
  default_aggregation: z.object({ formula: z.string() }),
  customer_mapping: z.object({ event_payload_key: z.string() }),
  value_settings: z.object({ event_payload_key: z.string() }),
});

/** Dimensions beside the two keys that the meter reads; one with a key's name would change who pays, or how much. */
function meterEventOf(entry: Entry, meter: Meter | undefined): MeterEvent | { readonly conflict: string } {
  const { customerKey, valueKey } = meter ?? defaultKeys;
  const { customer, dimensions = {}, identifier, timestamp, value } = entry;
  for (const key of [customerKey, valueKey]) {
    if (Object.hasOwn(dimensions, key)) {
      return {
        conflict: `dimension_is_a_payload_key: the dimension ${JSON.stringify(key)} has the name of a key that the meter reads`,
      };
    }
  }
  return {
    event_name: entry.meter,
    identifier,
    timestamp,
    payload: { ...dimensions, [customerKey]: customer, [valueKey]: value },
  };
}

function meterOf(meter: Stripe.Billing.Meter): Meter {
  const window = meter.event_time_window;
  return {
    id: meter.id,
    eventName: meter.event_name,
    formula: formulaIn(meter),
    customerKey: meter.customer_mapping.event_payload_key,
    valueKey: meter.value_settings.event_payload_key,
    // A window of a kind that is not known yet overwrites as well.
    ...(window === null || window === undefined ? {} : { eventTimeWindow: window === 'day' ? 'day' : 'hour' }),
    ...(meter.status === 'inactive' ? { archived: true } : {}),
  };
}

/** A formula that is not known yet is taken as `count`: what is never merged is never merged wrongly. */
function formulaIn(meter: Stripe.Billing.Meter): Formula {
  const formula: string = meter.default_aggregation.formula;
  return formula === 'sum' || formula === 'last' ? formula : 'count';
}

function addressOf(apiBase: string): { host: string; port: number; protocol: 'http' | 'https' } {
  const { protocol, hostname, port } = new URL(apiBase);
  const isPlain = protocol === 'http:';
  // `new URL` keeps the brackets of an IPv6 address, sockets do not take them.
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (isPlain ? 80 : 443),
    protocol: isPlain ? 'http' : 'https',
  };
}
