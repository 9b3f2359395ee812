import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Troubles } from '../../../shared/log/troubles.ts';
import type { Redis } from '../../../shared/redis/client.ts';
import { checkRedis } from './preflight.ts';

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
  return { log, said, troubles: new Troubles(log) };
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
  const { log, said, troubles } = listening();
  await checkRedis(redis, log, troubles);
  expect(asked).toEqual(['appendonly', 'appendfsync', 'appendonly', 'appendfsync', 'maxmemory-policy']);
  expect(said).toEqual([]);
});

it('waits until Redis is back', async () => {
  const { redis, asked } = redisThat(gone, 'yes', 'always', 'noeviction');
  Object.assign(redis, { status: 'reconnecting' });
  const { log, troubles } = listening();
  const checked = checkRedis(redis, log, troubles);
  await Promise.resolve();
  expect(asked).toEqual([]);
  Object.assign(redis, { status: 'ready' });
  redis.emit('ready');
  await checked;
  expect(asked).toHaveLength(4);
});

it('goes on with a Redis that keeps its settings to itself', async () => {
  const { redis } = redisThat(refusal);
  const { log, said, troubles } = listening();
  await checkRedis(redis, log, troubles);
  expect(said.map(({ msg }) => msg)).toEqual([expect.stringContaining('does not tell its configuration')]);
});

it('says what to run where Redis may lose what it has acknowledged', async () => {
  const { redis } = redisThat('yes', 'everysec', 'allkeys-lru');
  const { log, said, troubles } = listening();
  await checkRedis(redis, log, troubles);
  expect(said.map(({ msg }) => msg)).toEqual([
    expect.stringContaining('CONFIG SET appendfsync always'),
    expect.stringContaining('maxmemory-policy noeviction'),
  ]);
  expect(troubles.remarks).toHaveLength(2);
});
