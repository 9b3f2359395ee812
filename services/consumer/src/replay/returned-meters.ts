import type { EntryBook, FoundEntry } from '../../../../shared/journal/entry-book.ts';
import { isMeterRefusal } from '../../../../shared/journal/replay.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Meter } from '../provider/provider.ts';
import type { MeterCatalog } from '../shard/open-set.ts';
import { replayObstacle } from '../shard/replay-obstacle.ts';

/**
 * Has entries sent again that were refused because their meter was missing or archived, as soon as a list of meters that is newer
 * than the refusal has it. It only puts replays down in the journal, as a person does: the shard takes them from there.
 *
 * idle ──catalog read──▶ looking through the shards that are owned ──▶ idle
 */
export interface ReturnedMetersOptions {
  readonly book: Pick<EntryBook, 'now' | 'list' | 'replay'>;
  readonly ownedShards: () => Iterable<number>;
  readonly log: Logger;
}

export const replayer = 'tallyman';
/** A provider that lists a meter and refuses it all the same is not asked for ever; a person may still ask. */
const ownReplaysMax = 5;
const lookEveryMs = 60_000;
const chunk = 200;
const dead = new Set(['dead'] as const);

export class ReturnedMeters {
  readonly #options: ReturnedMetersOptions;
  readonly #lookedAtMs = new Map<number, number>();
  #isLooking = false;

  constructor(options: ReturnedMetersOptions) {
    this.#options = options;
  }

  /** Resolves when all is put down. Never rejects: with Redis away the next list of meters finds the same entries. */
  async look({ meters, askedAtMs }: MeterCatalog): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const askedRedisMs = (await this.#options.book.now()) - Math.max(0, performance.now() - askedAtMs);
      for (const shard of this.#options.ownedShards()) await this.#lookThrough(shard, meters, askedRedisMs);
    } catch (error) {
      this.#options.log.warn(
        { error },
        'Entries whose meter is back could not be looked for; they stay parked and are looked for again with the next list of meters.',
      );
    } finally {
      this.#isLooking = false;
    }
  }

  async #lookThrough(shard: number, meters: ReadonlyMap<string, Meter>, askedRedisMs: number): Promise<void> {
    const lookedAtMs = this.#lookedAtMs.get(shard);
    if (lookedAtMs !== undefined && performance.now() - lookedAtMs < lookEveryMs) return;
    this.#lookedAtMs.set(shard, performance.now());
    const { book } = this.#options;
    let found: FoundEntry[] = [];
    for await (const entry of book.list(shard, dead)) {
      if (!isToBeReplayed(entry, meters, askedRedisMs)) continue;
      found.push(entry);
      if (found.length < chunk) continue;
      await this.#replay(shard, found);
      found = [];
    }
    if (found.length > 0) await this.#replay(shard, found);
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
  meters: ReadonlyMap<string, Meter>,
  askedRedisMs: number,
): boolean {
  const { entry, state, reason, parkedAtMs, history = [] } = record;
  if (state !== 'dead' || !isMeterRefusal({ state, reason }) || parkedAtMs >= askedRedisMs) return false;
  // The list is that of the platform's own account.
  if (entry.account !== undefined) return false;
  const meter = meters.get(entry.meter);
  if (meter === undefined || meter.archived === true) return false;
  if (replayObstacle(entry, meters) !== undefined) return false;
  return history.filter(({ decision }) => decision.by === replayer).length < ownReplaysMax;
}
