import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BrokerSession } from '../../../shared/amqp/connection.ts';
import type { Logger } from '../../../shared/log/log.ts';
import type { Troubles } from '../../../shared/log/troubles.ts';
import { type Redis, untilReady } from '../../../shared/redis/client.ts';
import { redisNowMs } from '../../../shared/redis/clock.ts';

/**
 * What a consumer stands on, looked at when it starts: it says what is wrong and what to run, and goes on. Each of these
 * faults only costs usage together with a second one, and a cluster that stands still costs it for certain.
 */
const clockToleranceMs = 1_000;

/** The first LavinMQ whose confirm means synced to disk, with the repair of its own first release (lavinmq changelog). */
const leastLavinMq = [2, 9, 1] as const;

/** A Redis that goes away meanwhile is waited for. Rejects if the connection is ended, or with what Redis refused. */
export async function checkRedis(redis: Redis, log: Logger, troubles: Troubles): Promise<void> {
  for (;;) {
    await untilReady(redis);
    try {
      await checkPersistence(redis, log, troubles);
      await checkClock(redis, troubles);
      return;
    } catch (error) {
      if (isAnswer(error)) throw error;
      log.debug({ error }, 'Redis went away before it was looked at. Looking again.');
      // A connection that is about to end may still call itself ready, and refuse at once.
      await nextTurn();
    }
  }
}

async function checkClock(redis: Redis, troubles: Troubles): Promise<void> {
  const sentAtMs = Date.now();
  const redisMs = await redisNowMs(redis);
  const receivedAtMs = Date.now();
  const skewMs = redisMs < sentAtMs ? sentAtMs - redisMs : Math.max(0, redisMs - receivedAtMs);
  if (skewMs > clockToleranceMs) {
    troubles.tell({
      reason: 'clock',
      fields: { skewMs: Math.round(skewMs) },
      remark: `When it started, the clocks of this machine and of Redis differed by ${Math.round(skewMs)} ms. Run NTP on both.`,
      message:
        'The clocks of this machine and of Redis differ. Usage is counted right; times in logs and defaults of event times are off. Run NTP on both.',
    });
  }
}

async function checkPersistence(redis: Redis, log: Logger, troubles: Troubles): Promise<void> {
  let settings: Map<string, string>;
  try {
    settings = await readConfig(redis);
  } catch (error) {
    if (!isAnswer(error)) throw error;
    log.info(
      { error },
      'Redis does not tell its configuration (managed services forbid it). Make sure that acknowledged writes survive a failover.',
    );
    return;
  }
  const appendOnly = settings.get('appendonly');
  const appendFsync = settings.get('appendfsync');
  if (appendOnly !== 'yes' || appendFsync !== 'always') {
    troubles.tell({
      reason: 'redis_durability',
      level: 'error',
      fields: { appendonly: appendOnly, appendfsync: appendFsync },
      remark:
        'When it started, Redis could lose acknowledged writes in a crash: usage could then be billed twice. Set appendonly yes, appendfsync always.',
      message:
        'Redis may lose acknowledged writes when it crashes; usage could then be billed twice. Run: redis-cli CONFIG SET appendonly yes, redis-cli CONFIG SET appendfsync always, and set both in redis.conf.',
    });
  }
  const eviction = settings.get('maxmemory-policy');
  if (eviction !== undefined && eviction !== 'noeviction') {
    troubles.tell({
      reason: 'redis_eviction',
      level: 'error',
      fields: { 'maxmemory-policy': eviction },
      remark: 'When it started, Redis could evict the journal for want of memory. Set maxmemory-policy noeviction.',
      message:
        'Redis may evict the journal when its memory is full. Run: redis-cli CONFIG SET maxmemory-policy noeviction.',
    });
  }
}

async function readConfig(redis: Redis): Promise<Map<string, string>> {
  const settings = new Map<string, string>();
  for (const name of ['appendonly', 'appendfsync', 'maxmemory-policy']) {
    const [key, value] = (await redis.config('GET', name)) as [string?, string?];
    if (key !== undefined && value !== undefined) settings.set(key, value);
  }
  return settings;
}

/** Redis has refused; everything else means that there was no answer. The class that ioredis gives for it has no type. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

export function checkBroker(session: BrokerSession, log: Logger, troubles: Troubles): void {
  const { product, version } = session.server;
  if (product !== 'LavinMQ') {
    log.info(
      { product, version },
      'The broker is not LavinMQ, which is what Tallyman is made for; any AMQP 0-9-1 broker whose confirms mean durable will do.',
    );
    return;
  }
  if (isOlder(version, leastLavinMq)) {
    troubles.tell({
      reason: 'broker_durability',
      level: 'error',
      fields: { version },
      remark: 'This LavinMQ confirms messages before they are on disk. Upgrade to 2.9.1 or later.',
      message:
        'This LavinMQ confirms messages before they are on disk: a power loss can lose usage that was answered 202. Upgrade to 2.9.1 or later.',
    });
  }
}

function isOlder(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10));
  for (const [index, wanted] of least.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}
