import type { EntryBook, FoundEntry } from '../../../../shared/journal/entry-book.ts';
import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { mayNameMeterRefusal } from '../../../../shared/journal/replay.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import { type MeterCatalog, type MeterList, metersOf } from '../meters/meter-list.ts';
import { replayObstacle } from '../meters/refusals.ts';
import { AwaitedMeters, isOlder, type ListTimes, mayReturn, replayer } from './awaited-meters.ts';

/**
 * Has entries sent again that were refused because their meter was missing or archived, as soon as a list of meters that is newer
 * than the refusal has it. It only puts replays down in the journal, as a person does: the shard takes them from there.
 *
 * A shard's entries are looked through once after it was taken over, and then only when a meter that they wait for is back: its
 * owner knows what it parks, and keeps the names of the meters (awaited-meters.ts).
 *
 * not looked through ──look──▶ known ──a meter is back──▶ looked through again ──▶ known
 *          ▲──────────────────────────────── failed ───────────────┘
 */
export interface ReturnedMetersOptions {
  readonly book: Pick<EntryBook, 'now' | 'list' | 'replay'>;
  /** The shards that are owned, each with what stands for its tenure: another one is looked through anew. */
  readonly ownedShards: () => ReadonlyMap<number, object>;
  /** The meters of a connected account are wanted. May be said as often as one likes. */
  readonly needMeters: (account: string) => void;
  readonly log: Logger;
}

export const lookEveryMs = 60_000;
const chunk = 200;
const dead = new Set(['dead'] as const);
const unlookedReason = 'returned_meters_unlooked';

interface LookedAt {
  readonly tenure: object;
  readonly awaited: AwaitedMeters;
  /** Monotonic; undefined: it has not been looked through to its end. */
  atMs: number | undefined;
}

export class ReturnedMeters {
  readonly #options: ReturnedMetersOptions;
  readonly #shards = new Map<number, LookedAt>();
  readonly #troubles: Troubles;
  #isLooking = false;

  constructor(options: ReturnedMetersOptions) {
    this.#options = options;
    this.#troubles = new Troubles(options.log);
  }

  /** The journal has these entries of a shard as parked from now on. */
  parked(shard: number, records: readonly ParkedEntry[]): void {
    // Without an earlier look the first one finds them.
    const looked = this.#shards.get(shard);
    if (looked !== undefined) for (const record of records) looked.awaited.open(record);
  }

  /**
   * May be called as often as one likes: a shard is looked through at most once a minute. `account`: whose list is new; absent: any
   * account's may be. Resolves when all is put down. Never rejects: with Redis away the next look finds the same entries.
   */
  async look(catalog: MeterCatalog, account?: string): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const owned = this.#options.ownedShards();
      for (const [shard, { tenure }] of this.#shards) if (owned.get(shard) !== tenure) this.#shards.delete(shard);
      const concerned = [...owned].filter(([shard]) => this.#isConcerned(shard, account));
      if (concerned.length === 0) return;
      const nowMs = await this.#options.book.now();
      const redisAheadMs = nowMs - performance.now();
      const timesOf = (askedAtMs: number): ListTimes => ({ askedMs: askedAtMs + redisAheadMs, nowMs });
      for (const [shard, tenure] of concerned) {
        const looked = this.#shards.get(shard);
        if (looked?.atMs === undefined || looked.awaited.isAnyBack(catalog, timesOf, account))
          await this.#lookThrough(shard, tenure, catalog, timesOf);
      }
      this.#troubles.over(unlookedReason, 'Entries whose meter is back are looked for again.');
    } catch (error) {
      this.#troubles.tell({
        reason: unlookedReason,
        message:
          'Entries whose meter is back could not be looked for; they stay parked and are looked for again within minutes.',
        fields: { cause: messageOf(error) },
      });
    } finally {
      this.#isLooking = false;
    }
  }

  #isConcerned(shard: number, account: string | undefined): boolean {
    const looked = this.#shards.get(shard);
    if (looked?.atMs === undefined) return true;
    return looked.awaited.has(account) && performance.now() - looked.atMs >= lookEveryMs;
  }

  async #lookThrough(
    shard: number,
    tenure: object,
    catalog: MeterCatalog,
    timesOf: (askedAtMs: number) => ListTimes,
  ): Promise<void> {
    const atMs = performance.now();
    const { book, needMeters } = this.#options;
    // From now on, so that what is parked meanwhile, and is not met any more, is known all the same.
    const looked: LookedAt = { tenure, awaited: new AwaitedMeters(), atMs: undefined };
    this.#shards.set(shard, looked);
    const unread = new Set<string>();
    let found: FoundEntry[] = [];
    for await (const entry of book.list(shard, dead, mayNameMeterRefusal)) {
      // Of those that are dead all are parked, and not closed.
      const record = entry.record as ParkedEntry;
      if (!mayReturn(record)) continue;
      const { account, meter } = record.entry;
      const list = metersOf(catalog, account);
      // Not read so far: an account without usage at present. It is looked at once more when its meters are known.
      if (list === undefined && account !== undefined) unread.add(account);
      const times = timesOf(list?.askedAtMs ?? Number.NEGATIVE_INFINITY);
      if (list === undefined || !isOlder(record.parkedAtMs, times)) looked.awaited.open(record);
      else if (!isToBeReplayed({ record }, list.meters, times)) looked.awaited.compared(record, list.meters.get(meter));
      else if (found.push(entry) >= chunk) {
        await this.#replay(shard, found);
        found = [];
      }
    }
    if (found.length > 0) await this.#replay(shard, found);
    for (const account of unread) needMeters(account);
    looked.atMs = atMs;
  }

  async #replay(shard: number, found: readonly FoundEntry[]): Promise<void> {
    const { book, log } = this.#options;
    const decision = { by: replayer, why: 'the meter is back', atMs: await book.now() };
    const replayed = await book.replay(shard, found, decision);
    const names = [...new Set(found.map(({ record }) => record.entry.meter))].slice(0, 10);
    log.info({ shard, entries: replayed.size, meters: names }, 'Entries whose meter is back are sent again.');
  }
}

/** Whether a list with these meters has the entry sent again. */
export function isToBeReplayed(
  { record }: { readonly record: ParkedEntry },
  meters: MeterList['meters'],
  times: ListTimes,
): boolean {
  if (!mayReturn(record) || !isOlder(record.parkedAtMs, times)) return false;
  const meter = meters.get(record.entry.meter);
  if (meter === undefined || meter.archived === true) return false;
  return replayObstacle(record.entry, meters) === undefined;
}
