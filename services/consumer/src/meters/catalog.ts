/**
 * The meters' formulas and payload keys, which decide how usage is counted. One consumer reads them from the provider,
 * once per quarter of an hour, the others take them from Redis. A meter that nobody knows asks for an early read, of which
 * the cluster makes at most one in five seconds.
 *
 * unknown → known. Once there is a catalog there always is one: with the provider or Redis away the last one is kept, and
 * asked for again until they are back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import type { Meter, Provider } from '../provider/provider.ts';
import type { MeterCatalog } from '../shard/open-set.ts';
import { createMeterNotices } from './meter-notices.ts';
import { createCatalogStore, type StoredCatalog } from './stored-catalog.ts';

export interface CatalogOptions {
  readonly provider: Pick<Provider, 'meters'>;
  readonly redis: Redis;
  /** As `clusterKeyPrefix` makes it. */
  readonly keyPrefix: string;
  readonly log: Logger;
  /** A read is due at this age. */
  readonly maxAgeMs?: number;
  /** The cluster asks the provider at most once in this time. */
  readonly paceMs?: number;
}

export interface MeterCatalogSource {
  /** The newest catalog. Nothing may be counted before there is one: throws. */
  current(): MeterCatalog;
  /** Resolves once there is a catalog, rejects when `signal` aborts. */
  untilKnown(signal: AbortSignal): Promise<void>;
  /** Called with every catalog that is newer than the one before. */
  onRead(listener: (catalog: MeterCatalog) => void): void;
  /** A meter is missing: read again as soon as the pace allows. May be said as often as one likes. */
  refresh(): void;
  stop(): void;
}

const quarterHourMs = 15 * 60_000;
const earlyPaceMs = 5_000;
// While a newer catalog is wanted, and otherwise: the latter only finds what other consumers have read.
const wantedPollMs = 500;
const pollMs = 10_000;

export function startCatalog(options: CatalogOptions): MeterCatalogSource {
  const { provider, redis, keyPrefix, log, maxAgeMs = quarterHourMs, paceMs = earlyPaceMs } = options;
  const store = createCatalogStore(redis, keyPrefix);
  const notices = createMeterNotices(log);
  const listeners: ((catalog: MeterCatalog) => void)[] = [];
  const stopping = new AbortController();
  const known = Promise.withResolvers<void>();
  let catalog: MeterCatalog | undefined;
  let takenReadAtMs: number | undefined;
  let isWanted = true;
  let isFailureLogged = false;
  let nap = new AbortController();

  /** Makes a stored catalog the current one. `redisMs` was Redis' clock at, or after, `lookedAtMs` on ours. */
  function take(stored: StoredCatalog, redisMs: number, lookedAtMs: number): void {
    if (stored.readAtMs === takenReadAtMs) return;
    const askedAtMs = lookedAtMs - Math.max(0, redisMs - stored.readAtMs);
    // Older than what this consumer has read, but could not store.
    if (catalog !== undefined && askedAtMs < catalog.askedAtMs) return;
    takenReadAtMs = stored.readAtMs;
    isWanted = false;
    catalog = { meters: new Map(stored.meters.map((meter) => [meter.eventName, meter])), askedAtMs };
    notices.about(stored.meters);
    known.resolve();
    for (const listener of listeners) listener(catalog);
  }

  /** Answers whether there is nothing newer to be had for now. */
  async function round(): Promise<boolean> {
    const lookedAtMs = performance.now();
    const { stored, redisMs } = await store.look();
    if (stored !== undefined) take(stored, redisMs, lookedAtMs);
    if (!isWanted && !isReadDue(stored?.readAtMs, redisMs, maxAgeMs)) return true;
    if (!(await store.mayRead(paceMs))) return false;
    const meters = await readMeters();
    if (meters === undefined) return false;
    const read = { readAtMs: redisMs, meters };
    take(read, redisMs, lookedAtMs);
    await store.store(read);
    return true;
  }

  async function readMeters(): Promise<readonly Meter[] | undefined> {
    try {
      const meters = await provider.meters();
      log.debug({ meters: meters.length }, 'Read the meters.');
      isFailureLogged = false;
      return meters;
    } catch (error) {
      if (!isFailureLogged) {
        isFailureLogged = true;
        log.warn({ error, isKnown: catalog !== undefined }, failureText(catalog !== undefined));
      }
      return undefined;
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let isDone = false;
      try {
        isDone = await round();
      } catch (error) {
        // Redis is away, and its connection says so loudly. The last catalog stays.
        log.debug({ error }, 'The stored meters could not be looked up. Trying again.');
      }
      nap = new AbortController();
      const signal = AbortSignal.any([nap.signal, stopping.signal]);
      // Ends early when a catalog is wanted at once, or none any more.
      await sleep(isDone && !isWanted ? pollMs : wantedPollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  void run();

  return {
    current() {
      if (catalog === undefined)
        throw new Error('The meters are not known yet; nothing can be counted before they are.');
      return catalog;
    },
    async untilKnown(signal) {
      signal.throwIfAborted();
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      await Promise.race([known.promise, aborted]);
    },
    onRead: (listener) => void listeners.push(listener),
    refresh() {
      if (isWanted) return;
      isWanted = true;
      nap.abort();
    },
    stop: () => stopping.abort(),
  };
}

/** An age below zero: Redis' clock was set back, and nobody can tell how old the list is. */
export function isReadDue(readAtMs: number | undefined, redisMs: number, maxAgeMs: number): boolean {
  if (readAtMs === undefined) return true;
  const ageMs = redisMs - readAtMs;
  return ageMs < 0 || ageMs >= maxAgeMs;
}

function failureText(isKnown: boolean): string {
  return isKnown
    ? 'The meters cannot be read from the billing provider; usage is counted by the last list that is known. Trying again.'
    : 'The meters cannot be read from the billing provider, so nothing is counted: usage waits in the broker. Trying again; check STRIPE_API_KEY and STRIPE_API_BASE.';
}
