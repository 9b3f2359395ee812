import { newEventId } from '../event/event-id.ts';
import { UsageRejected } from './usage-error.ts';
import type { Usage } from './usage.ts';

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
      'value: got undefined; it must be a number, a bigint or a decimal as text, or be left out: then it is 1.';
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
