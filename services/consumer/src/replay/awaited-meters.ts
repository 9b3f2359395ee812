import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { isMeterRefusal } from '../../../../shared/journal/replay.ts';
import { type MeterCatalog, metersOf } from '../meters/meter-list.ts';
import { areTimesLeftOut } from '../meters/refusals.ts';
import type { Meter } from '../provider/provider.ts';

/**
 * The meters that parked entries of one shard wait for. So whether a list of meters matters to them is known without a look at a
 * single entry, however many there are.
 *
 * An entry that may be replayed by itself is one of two: `open`, because no list that is newer than its refusal has been compared
 * with it; or `compared`, and left where it is because of what that list said of its meter.
 */
interface Awaited {
  /** Of entries that are open: when the first and the last of them were parked, on Redis' clock. */
  firstMs: number;
  lastMs: number;
  /** What was said of the meter when entries were compared with it; undefined: none was. */
  compared: string | undefined;
}

/** On Redis' clock: when the provider was asked for the list, and what time it is now. */
export interface ListTimes {
  readonly askedMs: number;
  readonly nowMs: number;
}

export const replayer = 'tallyman';
/** A provider that lists a meter and refuses it all the same is not asked for ever; a person may still ask. */
const ownReplaysMax = 5;
/** Nothing is parked later than now, but for what the clocks of owners are inexact. */
const inexactMs = 60_000;
/** Of more names the entries are looked through each time. */
const namesMax = 10_000;

export class AwaitedMeters {
  readonly #accounts = new Map<string, Map<string, Awaited>>();
  #names = 0;

  /** What this shard has parked since, or what was found parked and is too new for the list. */
  open(record: ParkedEntry): void {
    if (!mayReturn(record)) return;
    const awaited = this.#of(record);
    awaited.firstMs = Math.min(awaited.firstMs, record.parkedAtMs);
    awaited.lastMs = Math.max(awaited.lastMs, record.parkedAtMs);
  }

  /** What the list that it was compared with does not have replayed. */
  compared(record: ParkedEntry, meter: Meter | undefined): void {
    if (mayReturn(record)) this.#of(record).compared = saidOf(meter);
  }

  /** Whether anything waits for a meter of this account; absent: of any. */
  has(account?: string): boolean {
    return account === undefined ? this.#names > 0 : this.#accounts.has(account);
  }

  /** Whether entries may be replayed now: a list says something new of their meter, or is newer than their refusal. */
  isAnyBack(catalog: MeterCatalog, timesOf: (askedAtMs: number) => ListTimes, account?: string): boolean {
    if (this.#names > namesMax) return true;
    for (const name of account === undefined ? this.#accounts.keys() : [account]) {
      const list = metersOf(catalog, name);
      if (list === undefined) continue;
      const times = timesOf(list.askedAtMs);
      for (const [meterName, awaited] of this.#accounts.get(name) ?? []) {
        const meter = list.meters.get(meterName);
        if (meter === undefined || meter.archived === true) continue;
        const { compared, firstMs, lastMs } = awaited;
        if (compared !== undefined && compared !== saidOf(meter)) return true;
        // One that was parked before the clock was set back is the last of them.
        if (isOlder(firstMs, times) || isOlder(lastMs, times)) return true;
      }
    }
    return false;
  }

  #of({ entry: { account = '', meter } }: ParkedEntry): Awaited {
    let meters = this.#accounts.get(account);
    if (meters === undefined) {
      meters = new Map();
      this.#accounts.set(account, meters);
    }
    let awaited = meters.get(meter);
    if (awaited === undefined) {
      awaited = { firstMs: Number.POSITIVE_INFINITY, lastMs: Number.NEGATIVE_INFINITY, compared: undefined };
      // Past the bound a name is as good as any other.
      if (this.#names > namesMax) return awaited;
      meters.set(meter, awaited);
      this.#names++;
    }
    return awaited;
  }
}

/** Whether it is ever replayed without a person. */
export function mayReturn({ entry, state, reason, history = [] }: ParkedEntry): boolean {
  if (!isMeterRefusal({ state, reason }) || areTimesLeftOut(entry)) return false;
  return history.filter(({ decision }) => decision.by === replayer).length < ownReplaysMax;
}

/**
 * Whether the entry was parked before the provider was asked for its meters; what it refused later it refused in spite of them. One
 * that was parked later than now is from before Redis' clock was set back.
 */
export function isOlder(parkedAtMs: number, { askedMs, nowMs }: ListTimes): boolean {
  if (!Number.isFinite(parkedAtMs)) return false;
  return parkedAtMs < askedMs || (Number.isFinite(askedMs) && parkedAtMs > nowMs + inexactMs);
}

function saidOf(meter: Meter | undefined): string {
  return JSON.stringify(meter ?? null);
}
