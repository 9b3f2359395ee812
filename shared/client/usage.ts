import { newEventId } from '../event/event-id.ts';
import { UsageRejected } from './usage-error.ts';

/** One use, as an application records it. The sidecar checks every field. */
export interface Usage {
  /** Stripe customer id. */
  readonly customer: string;
  /** The meter's `event_name`. */
  readonly meter: string;
  /** At most 15 significant digits. Default: 1. A string is always exact. An explicit `undefined` is rejected, because it is mostly a mistake. */
  readonly value?: number | bigint | string;
  /** Events of one account, customer and meter that have the same id count once. Default: a UUIDv7. */
  readonly id?: string | undefined;
  /** When it happened: Unix seconds, an RFC 3339 string or a `Date`. Default: when it was recorded. */
  readonly timestamp?: number | string | Date | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
  /** Stripe connected account. */
  readonly account?: string | undefined;
}

export interface EncodedUsage {
  readonly id: string;
  /** One JSON object. Retries send this text again, so that id, value and time stay the same. */
  readonly text: string;
}

/** Fields that a usage does not have are passed on: the sidecar names a misspelt one. Throws where there is no JSON for it, and a `UsageRejected` for a value that is not there. */
export function encodeUsage(usage: Usage, nowMs: number): EncodedUsage {
  const id = usage.id ?? newEventId(nowMs);
  const { value, timestamp = nowMs / 1_000 } = usage;
  // JSON would leave it out, and the event would count 1.
  if (value === undefined && 'value' in usage) {
    const message =
      'value: got undefined; it may be a number, a bigint or a decimal as text, or be left out: then it is 1.';
    throw new UsageRejected('value_missing', message, usage.id ?? '', false);
  }
  const text = JSON.stringify({ ...usage, id, value: asJson(value), timestamp });
  return { id, text };
}

/** JSON has neither big integers nor NaN. As text the one is exact, and the other is refused by its name. */
function asJson(value: Usage['value']): Usage['value'] {
  const isText = typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value));
  return isText ? String(value) : value;
}
