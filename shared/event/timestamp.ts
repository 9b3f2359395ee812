import { EventFault, shown } from './event-fault.ts';
import { unixSecondsEnd } from './fields.ts';

/** Stripe takes no usage older than 35 days or more than 5 minutes ahead. */
export const pastMaxS = 35 * 24 * 3600;
export const futureMaxS = 5 * 60;

const rfc3339Pattern = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const mayBe = 'unix seconds, or an RFC 3339 string such as "2026-11-22T09:30:00Z", from 35 days ago to 5 minutes ahead';

/** When the usage happened, in unix seconds with a fraction to the millisecond. */
export function readTimestamp(timestamp: unknown, nowMs: number): number | EventFault {
  const seconds = typeof timestamp === 'string' ? parseRfc3339(timestamp) : timestamp;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) {
    return new EventFault('timestamp_invalid', 'timestamp', shown(timestamp), mayBe);
  }
  if (Math.abs(seconds) >= unixSecondsEnd) {
    return new EventFault(
      'timestamp_invalid',
      'timestamp',
      `${shown(timestamp)}, which looks like milliseconds`,
      mayBe,
    );
  }
  const nowS = nowMs / 1000;
  if (seconds < nowS - pastMaxS) {
    const days = ((nowS - seconds) / 86_400).toFixed(1);
    return new EventFault('timestamp_too_old', 'timestamp', `${shown(timestamp)}, ${days} days ago`, mayBe);
  }
  if (seconds > nowS + futureMaxS) {
    const ahead = Math.round(seconds - nowS);
    return new EventFault('timestamp_in_future', 'timestamp', `${shown(timestamp)}, ${ahead} seconds ahead`, mayBe);
  }
  return Number.isInteger(seconds) ? seconds : Math.round(seconds * 1000) / 1000;
}

/** Unix seconds of an RFC 3339 date-time (section 5.6), or undefined. A leap second is the second that follows it. */
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
  const fraction = parts[7] === undefined ? 0 : Number(`0${parts[7]}`);
  return midnight.getTime() / 1000 + hour * 3600 + minute * 60 + second + fraction - offsetS;
}
