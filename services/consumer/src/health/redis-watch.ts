import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Trouble, Troubles } from '../../../../shared/log/troubles.ts';
import { type Redis, untilReady } from '../../../../shared/redis/client.ts';
import { redisNowMs } from '../../../../shared/redis/clock.ts';

/**
 * Whether Redis keeps what it acknowledges, and tells the right time. Looked at when the consumer starts, whenever the connection
 * is another one (after a failover it may lead to another server), and at intervals, because settings change while it runs. What
 * is wrong is told, and everything goes on: it only costs usage together with a crash, and a cluster that stands still costs it
 * for certain.
 */
export interface RedisWatchOptions {
  readonly log: Logger;
  readonly troubles: Troubles;
  readonly signal: AbortSignal;
  readonly everyMs?: number;
}

const clockToleranceMs = 1_000;
/** Half of the time after which what is wrong is told again. */
const defaultEveryMs = 30_000;
const durability = 'redis_durability';
const eviction = 'redis_eviction';

/**
 * Resolves once it was looked at for the first time; a Redis that goes away meanwhile is waited for. Rejects if the connection is
 * ended before, or with what Redis refused.
 */
export async function watchRedis(redis: Redis, options: RedisWatchOptions): Promise<void> {
  const { log, signal, everyMs = defaultEveryMs } = options;
  const look = lookAt(redis, options);
  await firstLook(redis, look, log);

  let isDue = false;
  let isLooking = false;
  async function again(): Promise<void> {
    isDue = true;
    if (isLooking) return;
    isLooking = true;
    while (isDue && redis.status === 'ready' && !signal.aborted) {
      isDue = false;
      try {
        await look();
      } catch (error) {
        log.debug({ error }, 'Redis went away before it was looked at. Looking again when it is back.');
      }
    }
    isLooking = false;
  }
  const onReady = (): void => void again();
  redis.on('ready', onReady);
  const timer = setInterval(onReady, everyMs);
  signal.addEventListener(
    'abort',
    () => {
      clearInterval(timer);
      redis.off('ready', onReady);
    },
    { once: true },
  );
}

/** It may lose what it has acknowledged, or evict it. */
export function isRedisUnsafe(troubles: Troubles): boolean {
  return troubles.isOn(durability) || troubles.isOn(eviction);
}

async function firstLook(redis: Redis, look: () => Promise<void>, log: Logger): Promise<void> {
  for (;;) {
    await untilReady(redis);
    try {
      await look();
      return;
    } catch (error) {
      if (isAnswer(error)) throw error;
      log.debug({ error }, 'Redis went away before it was looked at. Looking again.');
      // A connection that is about to end may still call itself ready, and refuse at once.
      await nextTurn();
    }
  }
}

function lookAt(redis: Redis, { log, troubles }: RedisWatchOptions): () => Promise<void> {
  let keepsToItself = false;
  return async () => {
    const settings = await readConfig(redis);
    if (settings instanceof Map) {
      keepsToItself = false;
      judge(troubles, durabilityFault(settings), durability, 'Redis keeps again what it acknowledges.');
      judge(troubles, evictionFault(settings), eviction, 'Redis evicts nothing any more.');
    } else if (!keepsToItself) {
      keepsToItself = true;
      for (const about of [durability, eviction]) troubles.over(about);
      log.info(
        { error: settings },
        'Redis does not tell its configuration (managed services forbid it). Make sure that acknowledged writes survive a failover.',
      );
    }
    judge(troubles, clockFault(await skewOf(redis)), 'clock', "This machine's clock and Redis' agree again.");
  };
}

function judge(troubles: Troubles, fault: Omit<Trouble, 'reason'> | undefined, reason: string, fine: string): void {
  if (fault === undefined) troubles.over(reason, fine);
  else troubles.tell({ reason, ...fault });
}

function durabilityFault(settings: ReadonlyMap<string, string>): Omit<Trouble, 'reason'> | undefined {
  const appendOnly = settings.get('appendonly');
  const appendFsync = settings.get('appendfsync');
  if (appendOnly === 'yes' && appendFsync === 'always') return undefined;
  return {
    level: 'error',
    fields: { appendonly: appendOnly, appendfsync: appendFsync },
    remark:
      'Redis may lose acknowledged writes in a crash: usage could then be billed twice. Set appendonly yes, appendfsync always.',
    message:
      'Redis may lose acknowledged writes when it crashes; usage could then be billed twice. Run: redis-cli CONFIG SET appendonly yes, redis-cli CONFIG SET appendfsync always, and set both in redis.conf.',
  };
}

function evictionFault(settings: ReadonlyMap<string, string>): Omit<Trouble, 'reason'> | undefined {
  const policy = settings.get('maxmemory-policy');
  if (policy === undefined || policy === 'noeviction') return undefined;
  return {
    level: 'error',
    fields: { 'maxmemory-policy': policy },
    remark: 'Redis may evict the journal for want of memory. Set maxmemory-policy noeviction.',
    message:
      'Redis may evict the journal when its memory is full. Run: redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf.',
  };
}

function clockFault(skewMs: number): Omit<Trouble, 'reason'> | undefined {
  if (skewMs <= clockToleranceMs) return undefined;
  return {
    fields: { skewMs: Math.round(skewMs) },
    remark: `The clocks of this machine and of Redis differ by ${Math.round(skewMs)} ms. Run NTP on both.`,
    message:
      'The clocks of this machine and of Redis differ. Usage is counted right; times in logs and defaults of event times are off. Run NTP on both.',
  };
}

async function skewOf(redis: Redis): Promise<number> {
  const sentAtMs = Date.now();
  const redisMs = await redisNowMs(redis);
  const receivedAtMs = Date.now();
  return redisMs < sentAtMs ? sentAtMs - redisMs : Math.max(0, redisMs - receivedAtMs);
}

/** What Redis answered, if it does not tell. */
async function readConfig(redis: Redis): Promise<ReadonlyMap<string, string> | Error> {
  const settings = new Map<string, string>();
  try {
    for (const name of ['appendonly', 'appendfsync', 'maxmemory-policy']) {
      const [key, value] = (await redis.config('GET', name)) as [string?, string?];
      if (key !== undefined && value !== undefined) settings.set(key, value);
    }
  } catch (error) {
    if (isAnswer(error)) return error;
    throw error;
  }
  return settings;
}

/** Redis has refused; everything else means that there was no answer. The class that ioredis gives for it has no type. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}
