/**
 * The meters' formulas and payload keys, which decide how usage is counted: the platform's own, and those of every connected
 * account that has usage, each list by itself (account-meters.ts). Nothing is counted before the platform's are known;
 * a connected account's are asked for when its first event comes.
 */
import type { Logger } from '../../../../shared/log/log.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import { MetersUnreadable, type Provider } from '../provider/provider.ts';
import type { MeterCatalog, MeterList, UnreadableMeters } from '../shard/open-set.ts';
import { type AccountMeters, followMeters } from './account-meters.ts';
import { createMeterNotices } from './meter-notices.ts';
import { createCatalogStore } from './stored-catalog.ts';

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
  /** Called with every catalog that is newer than the one before. */
  onRead(listener: (catalog: MeterCatalog) => void): void;
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
/** Without any list nothing is billed; with an old one all goes on. */
const unknownRepeatMs = 60_000;
const knownRepeatMs = 15 * 60_000;
/** Reads of connected accounts at a time. */
const readsMax = 4;

export function startCatalog(options: CatalogOptions): MeterCatalogSource {
  const { provider, redis, keyPrefix, log, paceMs = earlyPaceMs } = options;
  const notices = createMeterNotices(log);
  const listeners: ((catalog: MeterCatalog) => void)[] = [];
  const known = Promise.withResolvers<void>();
  const unread = Promise.withResolvers<void>();
  const connected = new Map<string, MeterList | UnreadableMeters>();
  const followed = new Map<string, AccountMeters>();
  const atATime = limitReads(readsMax);
  let catalog: MeterCatalog | undefined;
  let failureLoggedAtMs = Number.NEGATIVE_INFINITY;

  function tell(): void {
    const own = platform.list;
    if (own === undefined) return;
    catalog = { ...own, connected: new Map(connected) };
    known.resolve();
    for (const listener of listeners) listener(catalog);
  }

  const shared = { log, paceMs };
  const platform = followMeters({
    ...shared,
    maxAgeMs: options.maxAgeMs ?? platformAgeMs,
    pollMs: options.pollMs ?? platformPollMs,
    store: createCatalogStore(redis, keyPrefix),
    read: async () => {
      const meters = await provider.meters();
      log.debug({ meters: meters.length }, 'Read the meters.');
      failureLoggedAtMs = Number.NEGATIVE_INFINITY;
      return meters;
    },
    failed: (error) => {
      unread.resolve();
      const nowMs = performance.now();
      if (nowMs - failureLoggedAtMs < (catalog === undefined ? unknownRepeatMs : knownRepeatMs)) return;
      failureLoggedAtMs = nowMs;
      if (catalog === undefined) log.error({ error }, metersUnknown);
      else log.warn({ error }, staleText);
    },
    taken: (list, before) => {
      notices.changed(list, before);
      notices.about([...list.meters.values()]);
      tell();
    },
  });

  /** From its first event until the process ends. */
  function follow(account: string): AccountMeters {
    return followMeters({
      ...shared,
      maxAgeMs: options.maxAgeMs ?? connectedAgeMs,
      pollMs: options.pollMs ?? connectedPollMs,
      store: createCatalogStore(redis, keyPrefix, account),
      read: () => atATime(() => provider.meters(account)),
      failed: (error) => {
        const before = connected.get(account);
        if (!(error instanceof MetersUnreadable) || before?.unreadable !== undefined) {
          log.debug({ error, account }, 'The meters of a connected account cannot be read. Trying again.');
          return;
        }
        log.warn(
          { reason: error.message, account },
          'The meters of a connected account cannot be read: its usage is kept and waits, the other accounts go on. Connect it again, or check its id.',
        );
        connected.set(account, { ...before, unreadable: error.message });
        tell();
      },
      taken: (list, before) => {
        notices.changed(list, before, account);
        connected.set(account, list);
        tell();
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
      if (catalog === undefined) void unread.promise.then(() => catalog ?? unreadable());
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      await Promise.race([known.promise, aborted]);
    },
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

/** At most so many under way; the others wait for their turn. */
function limitReads(most: number): <Result>(read: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (read) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await read();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}

const staleText =
  'The meters cannot be read from the billing provider; usage is counted by the last list that is known, and new meters are not. Trying again; if it does not end, check STRIPE_API_KEY and STRIPE_API_BASE.';
/** In the log and in /readyz. */
export const metersUnknown =
  'The meters cannot be read from the billing provider, so nothing is counted: usage waits in the broker, none is lost. Trying again; check STRIPE_API_KEY and STRIPE_API_BASE.';
