import type { Random } from './random.ts';

/**
 * What can be made to go wrong. "Effect" is the counting of a meter event.
 *
 * | kind           | what happens                                                           | effect |
 * | -------------- | ---------------------------------------------------------------------- | ------ |
 * | `throttle`     | 429 with `Stripe-Rate-Limited-Reason`                                    | no     |
 * | `lock-timeout` | 429 with `code: lock_timeout`, without that header                       | no     |
 * | `proxy`        | 502 from something before Stripe: JSON without `error`                   | no     |
 * | `error`        | 500                                                                    | no     |
 * | `error-after`  | 500                                                                    | yes    |
 * | `reset`        | the connection is reset before the call is read                        | no     |
 * | `reset-after`  | the connection is reset instead of the answer                          | yes    |
 * | `timeout`      | no answer ever comes                                                   | yes    |
 * | `slow`         | the answer comes `delayMs` later                                       | yes    |
 */
export const faultKinds = [
  'throttle',
  'lock-timeout',
  'proxy',
  'error',
  'error-after',
  'reset',
  'reset-after',
  'timeout',
  'slow',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** What `Stripe-Rate-Limited-Reason` may say (docs.stripe.com/rate-limits). */
export const limitReasons = [
  'global-rate',
  'global-concurrency',
  'endpoint-rate',
  'endpoint-concurrency',
  'resource-specific',
] as const;
export type LimitReason = (typeof limitReasons)[number];

/** What a fault may be confined to. */
export const faultEndpoints = ['create-meter-event', 'list-meters'] as const;
export type FaultEndpoint = (typeof faultEndpoints)[number];

/** Whose call it is, as far as it says. */
export interface Caller {
  /** What it asks for; absent: anything else. */
  readonly endpoint?: string;
  readonly customer: string | undefined;
  /** Empty: the platform's own. */
  readonly account: string;
}

export interface Fault {
  readonly kind: FaultKind;
  /** Share of the calls, 0 to 1. */
  readonly rate: number;
  /** Only calls for this customer. */
  readonly customer?: string;
  /** Only calls for this connected account. */
  readonly account?: string;
  /** Only calls of this kind. */
  readonly endpoint?: FaultEndpoint;
  /** What a `throttle` says. */
  readonly reason?: LimitReason;
  /** How much later a `slow` answer comes. */
  readonly delayMs: number;
  /** The fault ends at this time; absent: it stays until removed. */
  readonly untilMs?: number;
}

export const faultShape = `KIND:RATE or slow:RATE:MS, separated by commas; KIND is one of ${faultKinds.join(', ')}`;
export const slowDefaultMs = 10_000;
export const faultsMax = 1_000;

export function faultKind(text: unknown): FaultKind | undefined {
  return faultKinds.find((kind) => kind === text);
}

/** Reads `throttle:0.01,slow:0.05:8000`. */
export function parseFaults(text: string): readonly Fault[] | undefined {
  const faults = text.split(',').map(parseFault);
  const known = faults.filter((fault) => fault !== undefined);
  return known.length === faults.length ? known : undefined;
}

function parseFault(text: string): Fault | undefined {
  const [name, rate = '', delay, ...rest] = text.trim().split(':');
  const kind = faultKind(name);
  if (kind === undefined || rest.length > 0 || !/^(0(\.\d{1,9})?|1(\.0{1,9})?)$/.test(rate)) return undefined;
  if (delay !== undefined && (kind !== 'slow' || !/^\d{1,6}$/.test(delay))) return undefined;
  return { kind, rate: Number(rate), delayMs: delay === undefined ? slowDefaultMs : Number(delay) };
}

/** The faults that are switched on. Each call meets at most one of them: the one that was switched on last. */
export class Faults {
  readonly #random: Random;
  #active: readonly Fault[];

  constructor(initial: readonly Fault[], random: Random) {
    this.#active = initial;
    this.#random = random;
  }

  list(nowMs: number): readonly Fault[] {
    if (this.#active.some((fault) => isOver(fault, nowMs)))
      this.#active = this.#active.filter((fault) => !isOver(fault, nowMs));
    return this.#active;
  }

  /** Switches on; one of the same kind and customer, and of the same permanence, is replaced. */
  add(fault: Fault): void {
    const others = this.#active.filter((other) => !isSame(other, fault));
    this.#active = [fault, ...others];
  }

  /** Switches off one kind, or all. */
  remove(kind?: FaultKind): void {
    this.#active = kind === undefined ? [] : this.#active.filter((fault) => fault.kind !== kind);
  }

  /** The fault that this call meets, if any. */
  draw(caller: Caller, nowMs: number): Fault | undefined {
    if (this.#active.length === 0) return undefined;
    let met: Fault | undefined;
    for (const fault of this.list(nowMs)) {
      // Drawn for every fault, so that one fault's luck does not shift the numbers of the next.
      const hit = this.#random() < fault.rate;
      if (hit && met === undefined && concerns(fault, caller)) met = fault;
    }
    return met;
  }
}

function concerns(fault: Fault, { customer, account, endpoint }: Caller): boolean {
  if (fault.endpoint !== undefined && fault.endpoint !== endpoint) return false;
  if (fault.customer !== undefined && fault.customer !== customer) return false;
  return fault.account === undefined || fault.account === account;
}

function isOver(fault: Fault, nowMs: number): boolean {
  return fault.untilMs !== undefined && nowMs >= fault.untilMs;
}

/** A passing fault does not replace a lasting one: when it is over, the lasting one is there again. */
function isSame(left: Fault, right: Fault): boolean {
  return (
    left.kind === right.kind &&
    left.customer === right.customer &&
    left.account === right.account &&
    left.endpoint === right.endpoint &&
    (left.untilMs === undefined) === (right.untilMs === undefined)
  );
}
