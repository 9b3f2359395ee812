/**
 * The meters of one account, as the cluster knows them: one consumer reads them from the provider, once per quarter of an
 * hour, the others take them from Redis. A meter that nobody knows asks for an early read, of which the cluster makes
 * at most one in five seconds.
 *
 * unknown → known. Once there is a list there always is one: with the provider or Redis away the last one is kept, and
 * asked for again until they are back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Meter } from '../provider/provider.ts';
import type { MeterList } from './meter-list.ts';
import type { CatalogStore, StoredCatalog } from './stored-catalog.ts';

export interface AccountMetersOptions {
  /** `isRepeat`: the last read failed. */
  readonly read: (isRepeat: boolean) => Promise<readonly Meter[]>;
  /** It could not be read. */
  readonly failed: (error: unknown) => void;
  /** It is newer than the one before. */
  readonly taken: (list: MeterList, before: MeterList | undefined) => void;
  readonly store: CatalogStore;
  readonly log: Logger;
  /** A read is due at this age. */
  readonly maxAgeMs: number;
  /** The cluster asks the provider at most once in this time. */
  readonly paceMs: number;
  /** … while it cannot be read, less and less often, down to this. */
  readonly paceMaxMs: number;
  /** How often to look for what others have read, and for a list that is due. */
  readonly pollMs: number;
}

export interface AccountMeters {
  readonly list: MeterList | undefined;
  /** A meter is missing: read again as soon as the pace allows. May be said as often as one likes. */
  refresh(): void;
  stop(): void;
}

// While a newer list is wanted; while it cannot be read, less often.
const wantedPollMs = 500;
const unreadPollMaxMs = 5_000;
/** So many rounds others have time to store what they read. */
const unreadAfterRounds = 3;

export function followMeters(options: AccountMetersOptions): AccountMeters {
  const { read, failed, taken, store, log, maxAgeMs, paceMs, paceMaxMs, pollMs } = options;
  const stopping = new AbortController();
  let list: MeterList | undefined;
  let takenReadAtMs: number | undefined;
  let isWanted = true;
  let currentPaceMs = paceMs;
  let hasRead = false;
  let hasFailed = false;
  let turnedAway = 0;
  let nap = new AbortController();

  /** Makes a stored list the current one. `redisMs` was Redis' clock at, or after, `lookedAtMs` on ours. */
  function take(stored: StoredCatalog, redisMs: number, lookedAtMs: number): void {
    if (stored.readAtMs === takenReadAtMs) return;
    // Read before Redis' clock was set back, nobody can tell when: then it says nothing of what it does not have.
    const ageMs = redisMs - stored.readAtMs;
    const askedAtMs = ageMs < 0 ? Number.NEGATIVE_INFINITY : lookedAtMs - ageMs;
    // Older than what this consumer has read, but could not store.
    if (list !== undefined && askedAtMs < list.askedAtMs) return;
    takenReadAtMs = stored.readAtMs;
    isWanted = false;
    hasFailed = false;
    currentPaceMs = paceMs;
    const before = list;
    list = { meters: new Map(stored.meters.map((meter) => [meter.eventName, meter])), askedAtMs };
    taken(list, before);
  }

  /** Answers true if no newer list can be had for now. */
  async function round(): Promise<boolean> {
    const lookedAtMs = performance.now();
    const { stored, redisMs, wantedAtMs } = await store.look();
    if (stored !== undefined) take(stored, redisMs, lookedAtMs);
    if (!isWanted && !isReadDue(stored?.readAtMs, redisMs, maxAgeMs, wantedAtMs)) return true;
    if (!(await store.mayRead(currentPaceMs))) {
      // Another consumer has just read it, and has stored nothing: maybe because it is not to be read. That is not shared,
      // and shards wait for it, so it is found out before the pace allows.
      if (stored !== undefined || hasRead || ++turnedAway < unreadAfterRounds) return false;
    }
    hasRead = true;
    let meters: readonly Meter[];
    try {
      meters = await read(hasFailed);
    } catch (error) {
      hasFailed = true;
      currentPaceMs = Math.min(currentPaceMs * 2, paceMaxMs);
      failed(error);
      return false;
    }
    const fresh = { readAtMs: redisMs, meters };
    take(fresh, redisMs, lookedAtMs);
    await store.store(fresh);
    return true;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let isDone = false;
      try {
        isDone = await round();
      } catch (error) {
        // Redis is away, and its connection says so loudly. The last list stays.
        log.debug({ error }, 'The stored meters could not be looked up. Trying again.');
      }
      nap = new AbortController();
      const signal = AbortSignal.any([nap.signal, stopping.signal]);
      // Ends early when a list is wanted at once, or none any more.
      const unreadPollMs = Math.min(unreadPollMaxMs, Math.max(wantedPollMs, currentPaceMs / 4));
      const napMs = isDone && !isWanted ? pollMs : hasFailed ? unreadPollMs : wantedPollMs;
      await sleep(napMs, undefined, { signal }).catch(() => undefined);
    }
  }

  void run();

  return {
    get list() {
      return list;
    },
    refresh() {
      if (isWanted) return;
      isWanted = true;
      nap.abort();
    },
    stop: () => stopping.abort(),
  };
}

/**
 * An age below zero: Redis' clock was set back, and nobody can tell how old the list is. `wantedAtMs`: when a person asked for a
 * newer one; later than now it is of another clock, and would be asked for at every look.
 */
export function isReadDue(
  readAtMs: number | undefined,
  redisMs: number,
  maxAgeMs: number,
  wantedAtMs = Number.NEGATIVE_INFINITY,
): boolean {
  if (readAtMs === undefined) return true;
  const ageMs = redisMs - readAtMs;
  return ageMs < 0 || ageMs >= maxAgeMs || (wantedAtMs > readAtMs && wantedAtMs <= redisMs);
}
