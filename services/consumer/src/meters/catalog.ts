/**
 * The meters' formulas and payload keys, which decide how usage is counted: the platform's own, and those of every connected
 * account that has usage, each list by itself (account-meters.ts). Nothing is counted before the platform's are known;
 * a connected account's are asked for when its first event comes.
 */
import type { Logger } from '../../../../shared/log/log.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import { platform as platformAccount } from '../provider/breakers.ts';
import type { Provider } from '../provider/provider.ts';
import { meterReadsMax } from '../provider/stripe.ts';
import type { MeterCatalog, MeterList, Unreadable, UnreadableMeters } from './meter-list.ts';
import { type AccountMeters, followMeters } from './account-meters.ts';
import { createMeterNotices } from './meter-notices.ts';
import { createCatalogStore, lockMaxMs } from './stored-catalog.ts';
import { createUnreadLists, type UnreadLists } from './unread-lists.ts';

export interface CatalogOptions {
  readonly provider: Pick<Provider, 'meters'>;
  readonly redis: Redis;
  /** As `clusterKeyPrefix` makes it. */
  readonly keyPrefix: string;
  readonly log: Logger;
  /** A read is due at this age. */
  readonly maxAgeMs?: number;
  /** The cluster asks the provider for one list at most once in this time. */
  readonly paceMs?: number;
  /** How often to look for what others have read, and for a list that is due. */
  readonly pollMs?: number;
}

export interface MeterCatalogSource {
  /** The newest catalog. Nothing may be counted before there is one: throws. */
  current(): MeterCatalog;
  /** Resolves once the platform's meters are known, rejects when `signal` aborts. `unreadable`: they could not be read so far. */
  untilKnown(signal: AbortSignal, unreadable?: () => void): Promise<void>;
  /** Called with every catalog that is newer than the one before. `account`: whose list is new, or cannot be read. */
  onRead(listener: (catalog: MeterCatalog, account: string) => void): void;
  /** Lists that cannot be read now. */
  readonly unread: Pick<UnreadLists, 'count' | 'remarks'>;
  /** A meter of the account is missing: read again as soon as the pace allows. May be said as often as one likes. */
  refresh(account?: string): void;
  stop(): void;
}

// A name that gets another meter without a gap is noticed by nothing else.
const platformAgeMs = 60_000;
const connectedAgeMs = 5 * 60_000;
const earlyPaceMs = 5_000;
const platformPollMs = 10_000;
const connectedPollMs = 60_000;

export function startCatalog(options: CatalogOptions): MeterCatalogSource {
  const { provider, redis, keyPrefix, log, paceMs = earlyPaceMs } = options;
  const notices = createMeterNotices(log);
  const listeners: ((catalog: MeterCatalog, account: string) => void)[] = [];
  const known = Promise.withResolvers<void>();
  const firstFailed = Promise.withResolvers<void>();
  const connected = new Map<string, MeterList | UnreadableMeters>();
  const followed = new Map<string, AccountMeters>();
  const atATime = limitReads(meterReadsMax);
  const unread = createUnreadLists(log);
  let catalog: MeterCatalog | undefined;

  /** `connected` is the same map for all catalogs: there are many accounts, and one of them is new. */
  function tell(account: string, unreadable?: Unreadable): void {
    const own = account === platformAccount || catalog === undefined ? platform.list : catalog;
    if (own === undefined) return;
    catalog = { ...own, connected, ...(unreadable === undefined ? {} : { unreadable }) };
    known.resolve();
    for (const listener of listeners) listener(catalog, account);
  }

  const shared = { log, paceMs };
  const platform = followMeters({
    ...shared,
    paceMaxMs: paceMs,
    maxAgeMs: options.maxAgeMs ?? platformAgeMs,
    pollMs: options.pollMs ?? platformPollMs,
    store: createCatalogStore(redis, keyPrefix),
    read: async () => {
      const meters = await provider.meters();
      log.debug({ meters: meters.length }, 'Read the meters.');
      return meters;
    },
    failed: (error) => {
      log.debug({ error }, 'The meters could not be read.');
      unread.failed(platformAccount, error, catalog !== undefined);
      firstFailed.resolve();
      if (catalog !== undefined && catalog.unreadable === undefined) tell(platformAccount, unreadableFor(error));
    },
    taken: (list, before) => {
      unread.read(platformAccount);
      notices.changed(list, before);
      notices.about([...list.meters.values()]);
      tell(platformAccount);
    },
  });

  /** From its first event until the process ends. */
  function follow(account: string): AccountMeters {
    return followMeters({
      ...shared,
      paceMaxMs: lockMaxMs,
      maxAgeMs: options.maxAgeMs ?? connectedAgeMs,
      pollMs: options.pollMs ?? connectedPollMs,
      store: createCatalogStore(redis, keyPrefix, account),
      read: (isRepeat) => atATime(isRepeat, () => provider.meters(account)),
      failed: (error) => {
        const before = connected.get(account);
        log.debug({ error, account }, 'The meters of a connected account could not be read.');
        unread.failed(account, error, before?.meters !== undefined);
        if (before?.unreadable !== undefined) return;
        connected.set(account, { ...before, unreadable: unreadableFor(error) });
        tell(account);
      },
      taken: (list, before) => {
        unread.read(account);
        notices.changed(list, before, account);
        connected.set(account, list);
        tell(account);
      },
    });
  }

  return {
    current() {
      if (catalog === undefined)
        throw new Error('The meters are not known yet; nothing can be counted before they are.');
      return catalog;
    },
    async untilKnown(signal, unreadable = () => undefined) {
      signal.throwIfAborted();
      if (catalog === undefined) void firstFailed.promise.then(() => catalog ?? unreadable());
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      await Promise.race([known.promise, aborted]);
    },
    unread,
    onRead: (listener) => void listeners.push(listener),
    refresh(account = '') {
      if (account === '') {
        platform.refresh();
        return;
      }
      const meters = followed.get(account);
      if (meters === undefined) followed.set(account, follow(account));
      else meters.refresh();
    },
    stop() {
      platform.stop();
      for (const each of followed.values()) each.stop();
    },
  };
}

function unreadableFor(error: unknown): Unreadable {
  return { reason: error instanceof Error ? error.message : String(error), sinceMs: performance.now() };
}

/**
 * At most so many under way; the others wait for their turn. Reads that repeat one that failed take half of the room at most and come
 * last: accounts whose lists hang must not keep that of another one from being read.
 */
function limitReads(most: number): <Result>(isRepeat: boolean, read: () => Promise<Result>) => Promise<Result> {
  const first: (() => void)[] = [];
  const repeats: (() => void)[] = [];
  let running = 0;
  let repeating = 0;

  function next(): void {
    if (running >= most) return;
    const start = first.shift() ?? (repeating < most / 2 ? repeats.shift() : undefined);
    start?.();
  }

  return async (isRepeat, read) => {
    const started = Promise.withResolvers<void>();
    (isRepeat ? repeats : first).push(() => {
      running++;
      if (isRepeat) repeating++;
      started.resolve();
    });
    next();
    await started.promise;
    try {
      return await read();
    } finally {
      running--;
      if (isRepeat) repeating--;
      next();
      next();
    }
  };
}
