import type { EntryBook, FoundEntry } from '../../../../shared/journal/entry-book.ts';
import { isMeterRefusal } from '../../../../shared/journal/replay.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import { type MeterCatalog, type MeterList, metersOf } from '../shard/open-set.ts';
import { replayObstacle } from '../shard/replay-obstacle.ts';

/**
 * Has entries sent again that were refused because their meter was missing or archived, as soon as a list of meters that is newer
 * than the refusal has it. It only puts replays down in the journal, as a person does: the shard takes them from there.
 *
 * idle ──look──▶ looking through the shards that are owned and were not yet, with this catalog ──▶ idle
 */
export interface ReturnedMetersOptions {
  readonly book: Pick<EntryBook, 'now' | 'list' | 'replay'>;
  readonly ownedShards: () => Iterable<number>;
  /** The meters of a connected account are wanted. May be said as often as one likes. */
  readonly needMeters: (account: string) => void;
  readonly log: Logger;
}

export const replayer = 'tallyman';
/** A provider that lists a meter and refuses it all the same is not asked for ever; a person may still ask. */
const ownReplaysMax = 5;
export const lookEveryMs = 60_000;
const chunk = 200;
const dead = new Set(['dead'] as const);

export class ReturnedMeters {
  readonly #options: ReturnedMetersOptions;
  /** When each shard was looked through last, with which catalog. */
  readonly #looked = new Map<number, { readonly atMs: number; readonly catalog: MeterCatalog }>();
  #isLooking = false;

  constructor(options: ReturnedMetersOptions) {
    this.#options = options;
  }

  /**
   * May be called as often as one likes: a shard is looked through at most once a minute, and once for each catalog. Resolves
   * when all is put down. Never rejects: with Redis away the next look finds the same entries.
   */
  async look(catalog: MeterCatalog): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const due = [...this.#options.ownedShards()].filter((shard) => this.#isDue(shard, catalog));
      if (due.length === 0) return;
      const redisAheadMs = (await this.#options.book.now()) - performance.now();
      for (const shard of due) await this.#lookThrough(shard, catalog, redisAheadMs);
    } catch (error) {
      this.#options.log.warn(
        { cause: messageOf(error) },
        'Entries whose meter is back could not be looked for; they stay parked and are looked for again within minutes.',
      );
    } finally {
      this.#isLooking = false;
    }
  }

  #isDue(shard: number, catalog: MeterCatalog): boolean {
    const looked = this.#looked.get(shard);
    return looked === undefined || (looked.catalog !== catalog && performance.now() - looked.atMs >= lookEveryMs);
  }

  /** `redisAheadMs`: Redis' clock less this process's monotonic one. */
  async #lookThrough(shard: number, catalog: MeterCatalog, redisAheadMs: number): Promise<void> {
    const atMs = performance.now();
    const { book, needMeters } = this.#options;
    let found: FoundEntry[] = [];
    for await (const entry of book.list(shard, dead)) {
      const { account } = entry.record.entry;
      const list = metersOf(catalog, account);
      // Not read so far: an account without usage at present. It is looked at once more when its meters are known.
      if (list === undefined && account !== undefined) needMeters(account);
      if (list === undefined || !isToBeReplayed(entry, list.meters, list.askedAtMs + redisAheadMs)) continue;
      found.push(entry);
      if (found.length < chunk) continue;
      await this.#replay(shard, found);
      found = [];
    }
    if (found.length > 0) await this.#replay(shard, found);
    this.#looked.set(shard, { atMs, catalog });
  }

  async #replay(shard: number, found: readonly FoundEntry[]): Promise<void> {
    const { book, log } = this.#options;
    const decision = { by: replayer, why: 'the meter is back', atMs: await book.now() };
    const replayed = await book.replay(shard, found, decision);
    const names = [...new Set(found.map(({ record }) => record.entry.meter))].slice(0, 10);
    log.info({ shard, entries: replayed.size, meters: names }, 'Entries whose meter is back are sent again.');
  }
}

/** `askedRedisMs`: when the provider was asked for these meters. What it refused later it refused in spite of them. */
export function isToBeReplayed(
  { record }: Pick<FoundEntry, 'record'>,
  meters: MeterList['meters'],
  askedRedisMs: number,
): boolean {
  const { entry, state, reason, parkedAtMs, history = [] } = record;
  if (state !== 'dead' || !isMeterRefusal({ state, reason }) || parkedAtMs >= askedRedisMs) return false;
  const meter = meters.get(entry.meter);
  if (meter === undefined || meter.archived === true) return false;
  if (replayObstacle(entry, meters) !== undefined) return false;
  return history.filter(({ decision }) => decision.by === replayer).length < ownReplaysMax;
}
