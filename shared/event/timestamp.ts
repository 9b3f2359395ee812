import { EventFault, shown } from './event-fault.ts';
import { unixSecondsEnd } from './fields.ts';

/** Stripe takes no usage older than 35 days or more than 5 minutes ahead. */
export const pastMaxS = 35 * 24 * 3600;
export const futureMaxS = 5 * 60;
/**
 * What an event needs to reach Stripe within its 35 days: a flush interval of 5 minutes, the retries of an entry until it is
 * laid aside and tried again, and a restart or two. One that is older would be taken, and then refused where nobody hears it.
 */
export const pastMarginS = 3600;

const rfc3339Pattern = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const bounds = 'from 35 days ago, less an hour for the way to Stripe, to 5 minutes ahead';

/** What a timestamp may be, in each form that events are sent in. */
export const timestampForms = {
  any: `unix seconds, or an RFC 3339 string such as "2026-11-22T09:30:00Z", ${bounds}`,
  unixSeconds: `a whole number of unix seconds, ${bounds}`,
  rfc3339: `an RFC 3339 string such as "2026-11-22T09:30:00Z", ${bounds}`,
} as const;

/**
 * Unix milliseconds of unix seconds. What is finer is cut off and never rounded up: the last instant of a period must not
 * become the first one of the next. A number of whole milliseconds stays what it is, although no double holds it exactly.
 */
export function cutToMs(seconds: number): number {
  const ms = Math.round(seconds * 1000);
  return ms / 1000 > seconds ? ms - 1 : ms;
}

/** When the usage happened, in unix seconds with a fraction to the millisecond. */
export function readTimestamp(timestamp: unknown, nowMs: number): number | EventFault {
  const ms = typeof timestamp === 'string' ? parseRfc3339(timestamp) : cutNumber(timestamp);
  if (ms === undefined) return fault('timestamp_invalid', shownInstant(timestamp));
  if (Math.abs(ms) >= unixSecondsEnd * 1000) {
    const seconds = Math.floor(ms / 1_000_000);
    return fault('timestamp_invalid', `${shown(timestamp)}, which looks like milliseconds (in seconds: ${seconds})`);
  }
  const agoS = (nowMs - ms) / 1000;
  if (agoS > pastMaxS - pastMarginS) {
    return fault('timestamp_too_old', `${shown(timestamp)}, ${(agoS / 86_400).toFixed(1)} days ago`);
  }
  if (-agoS > futureMaxS) {
    return fault('timestamp_in_future', `${shown(timestamp)}, ${Math.ceil(-agoS)} seconds ahead`);
  }
  return ms / 1000;
}

function cutNumber(timestamp: unknown): number | undefined {
  return typeof timestamp === 'number' && Number.isFinite(timestamp) ? cutToMs(timestamp) : undefined;
}

/**
 * Unix milliseconds of an RFC 3339 date-time (section 5.6), or undefined. Unix time has no leap second: `23:59:60` UTC, which only
 * the 30th of June and the 31st of December can have, is the last millisecond of its day, and so stays in its period.
 */
export function parseRfc3339(text: string): number | undefined {
  const parts = rfc3339Pattern.exec(text);
  if (parts === null) return undefined;
  const year = Number(parts[1]);
  const month = Number(parts[2]);
  const day = Number(parts[3]);
  const hour = Number(parts[4]);
  const minute = Number(parts[5]);
  const second = Number(parts[6]);
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  // The 31st of a short month would become the 1st of the next one.
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  const offsetHours = Number(parts[9] ?? 0);
  const offsetMinutes = Number(parts[10] ?? 0);
  if (offsetHours > 23 || offsetMinutes > 59) return undefined;
  const offsetS = (offsetHours * 60 + offsetMinutes) * (parts[8] === '-' ? -60 : 60);
  const fractionMs = Number((parts[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const ms = midnight.getTime() + (hour * 3600 + minute * 60 + second - offsetS) * 1000;
  if (second < 60) return ms + fractionMs;
  return canFollowLeapSecond(new Date(ms)) ? ms - 1 : undefined;
}

/** Whether this is the midnight at the end of a day that can have a leap second. */
function canFollowLeapSecond(next: Date): boolean {
  return next.getTime() % 86_400_000 === 0 && next.getUTCDate() === 1 && [0, 6].includes(next.getUTCMonth());
}

function shownInstant(timestamp: unknown): string {
  const isLeap = typeof timestamp === 'string' && /T\d\d:\d\d:60/i.test(timestamp);
  return isLeap ? `${shown(timestamp)}, where no leap second can be` : shown(timestamp);
}

function fault(code: 'timestamp_invalid' | 'timestamp_too_old' | 'timestamp_in_future', got: string): EventFault {
  return new EventFault(code, 'timestamp', got, timestampForms.any);
}
