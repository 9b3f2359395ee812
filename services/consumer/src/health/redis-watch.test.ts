import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { Troubles } from '../../../../shared/log/troubles.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import { isRedisUnsafe, watchRedis } from './redis-watch.ts';

interface Said {
  readonly msg: string;
}

/** A Redis that answers these, one after the other, to CONFIG GET; an error is thrown. */
function redisThat(...answers: readonly (string | Error)[]) {
  const left = [...answers];
  const asked: string[] = [];
  const redis = Object.assign(new EventEmitter(), {
    status: 'ready',
    config: (_: 'GET', name: string): Promise<readonly string[]> => {
      asked.push(name);
      const answer = left.shift() ?? 'yes';
      return typeof answer === 'string' ? Promise.resolve([name, answer]) : Promise.reject(answer);
    },
    time: () => Promise.resolve([String(Math.floor(Date.now() / 1_000)), '0']),
  });
  return { redis: redis as unknown as Redis, asked };
}

function listening() {
  const said: Said[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => said.push(JSON.parse(line) as Said) });
  const troubles = new Troubles(log);
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  return { said, troubles, options: { log, troubles, signal: stopping.signal } };
}

const refusal = Object.assign(new Error("NOPERM this user has no permissions to run the 'config' command"), {
  name: 'ReplyError',
});
const gone = new Error("Stream isn't writeable and enableOfflineQueue options is false");

/**
 * In a soak Redis was killed in the moment after a consumer had connected to it. The look at Redis' settings got no answer, which
 * was taken for a Redis that keeps them to itself; then its clock could not be read either, and the start failed: the consumer
 * ended with status 1, where everybody else waits for Redis.
 */
it('looks again when Redis goes away in the middle of the look', async () => {
  const { redis, asked } = redisThat('yes', gone, 'yes', 'always', 'noeviction');
  const { said, options } = listening();
  await watchRedis(redis, options);
  expect(asked).toEqual(['appendonly', 'appendfsync', 'appendonly', 'appendfsync', 'maxmemory-policy']);
  expect(said).toEqual([]);
});

it('waits until Redis is back', async () => {
  const { redis, asked } = redisThat(gone, 'yes', 'always', 'noeviction');
  Object.assign(redis, { status: 'reconnecting' });
  const { options } = listening();
  const checked = watchRedis(redis, options);
  await Promise.resolve();
  expect(asked).toEqual([]);
  Object.assign(redis, { status: 'ready' });
  redis.emit('ready');
  await checked;
  expect(asked).toHaveLength(4);
});

it('goes on with a Redis that keeps its settings to itself', async () => {
  const { redis } = redisThat(refusal);
  const { said, options } = listening();
  await watchRedis(redis, options);
  expect(said.map(({ msg }) => msg)).toEqual([expect.stringContaining('does not tell its configuration')]);
});

it('says what to run where Redis may lose what it has acknowledged', async () => {
  const { redis } = redisThat('yes', 'everysec', 'allkeys-lru');
  const { said, troubles, options } = listening();
  await watchRedis(redis, options);
  expect(said.map(({ msg }) => msg)).toEqual([
    expect.stringContaining('CONFIG SET appendfsync always'),
    expect.stringContaining('maxmemory-policy noeviction'),
  ]);
  expect(troubles.remarks).toHaveLength(2);
});

/**
 * `CONFIG SET appendfsync everysec` at a Redis that ran was never noticed, with a new connection or without one: the settings were
 * only looked at when a consumer started.
 */
it('looks again when the connection is a new one, tells what changed, and when it is over', async () => {
  const safe = ['yes', 'always', 'noeviction'];
  const { redis } = redisThat(...safe, 'yes', 'everysec', 'noeviction', ...safe);
  const { said, troubles, options } = listening();
  await watchRedis(redis, options);
  expect(isRedisUnsafe(troubles)).toBe(false);
  redis.emit('ready');
  await expect.poll(() => troubles.remarks).toEqual([expect.stringContaining('appendfsync always')]);
  expect(isRedisUnsafe(troubles)).toBe(true);
  redis.emit('ready');
  await expect.poll(() => troubles.remarks).toEqual([]);
  expect(isRedisUnsafe(troubles)).toBe(false);
  expect(said.map(({ msg }) => msg)).toEqual([
    expect.stringContaining('may lose acknowledged writes'),
    expect.stringContaining('keeps again what it acknowledges'),
  ]);
});

it('looks again at intervals, on a connection that stays', async () => {
  const { redis } = redisThat('yes', 'always', 'noeviction', 'yes', 'always', 'allkeys-lru');
  const { troubles, options } = listening();
  await watchRedis(redis, { ...options, everyMs: 5 });
  await expect.poll(() => troubles.remarks.some((remark) => remark.includes('maxmemory-policy'))).toBe(true);
});

it('looks once more when the connection changes in the middle of a look', async () => {
  const { redis } = redisThat('yes', 'always', 'noeviction', 'yes', gone, 'no', 'always', 'noeviction');
  const { troubles, options } = listening();
  await watchRedis(redis, options);
  redis.emit('ready');
  redis.emit('ready');
  await expect.poll(() => isRedisUnsafe(troubles)).toBe(true);
});

it('says once that a Redis keeps its settings to itself, and claims nothing of it any more', async () => {
  const { redis, asked } = redisThat('yes', 'everysec', 'noeviction', refusal, refusal);
  const { said, troubles, options } = listening();
  await watchRedis(redis, options);
  redis.emit('ready');
  await expect.poll(() => isRedisUnsafe(troubles)).toBe(false);
  const looks = asked.length;
  redis.emit('ready');
  await expect.poll(() => asked.length).toBeGreaterThan(looks);
  await expect.poll(() => said.filter(({ msg }) => msg.includes('does not tell'))).toHaveLength(1);
});
