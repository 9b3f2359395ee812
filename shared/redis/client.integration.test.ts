import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { Secret } from '../config/secret.ts';
import { createLog } from '../log/log.ts';
import type { BackingService } from '../testing/backing-service.ts';
import { startRedis } from '../testing/redis.ts';
import { until } from '../testing/until.ts';
import { connectRedis, type Redis, untilReady } from './client.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function privateRedis(): Promise<BackingService> {
  const server = await startRedis();
  cleanups.push(() => server.stop());
  return server;
}

function connect(url: Secret, commandTimeoutMs = 5_000): { redis: Redis; lines: string[] } {
  const lines: string[] = [];
  const log = createLog(
    { service: 'test', level: 'info' },
    { write: (line) => void lines.push(/"msg":"([^"]*)"/.exec(line)?.[1] ?? line) },
  );
  const redis = connectRedis(url, { name: 'test', log, commandTimeoutMs, random: () => 0.5 });
  cleanups.push(() => redis.disconnect());
  return { redis, lines };
}

/** Unlike `once` of node:events, not rejected by the error that comes before. */
function closeOf(redis: Redis): Promise<void> {
  return new Promise((resolve) => redis.once('close', () => resolve()));
}

it('rejects what was unanswered when the connection broke, and never sends it again', async () => {
  const server = await privateRedis();
  const { redis } = connect(new Secret(server.url));
  await untilReady(redis);
  await server.freeze();
  const unanswered = redis.incr('counter').catch((error: unknown) => error);
  const closed = closeOf(redis);
  await server.kill();
  await closed;
  await server.start();
  await untilReady(redis);
  expect(await unanswered).toBeInstanceOf(Error);
  expect(await redis.get('counter')).toBeNull();
});

it('rejects at once while there is no connection, and says once that it broke and once that it is back', async () => {
  const server = await privateRedis();
  const { redis, lines } = connect(new Secret(server.url));
  await untilReady(redis);
  await server.kill();
  await until(() => redis.status === 'reconnecting');
  await expect(redis.ping()).rejects.toThrow(/enableOfflineQueue/);
  let attempts = 0;
  redis.on('error', () => {
    attempts += 1;
  });
  await until(() => attempts >= 3);
  await server.start();
  await untilReady(redis);
  expect(lines.map((line) => line.split(/[:.]/, 1)[0])).toEqual([
    'Redis is connected',
    'The connection to Redis broke',
    'Redis is back',
  ]);
  redis.disconnect();
  await until(() => redis.status === 'end');
  expect(lines).toHaveLength(3);
});

it('gives up a command, and then the connection, of a Redis that is frozen', async () => {
  const server = await privateRedis();
  const { redis } = connect(new Secret(server.url), 100);
  await untilReady(redis);
  await server.freeze();
  const closed = closeOf(redis);
  await expect(redis.ping()).rejects.toThrow(/timed out/);
  await closed;
  await server.thaw();
  await until(() => redis.ping());
});

it('takes a changed address and password when it reconnects', async () => {
  const server = await privateRedis();
  let url = server.url.replace('127.0.0.1', 'wrong:password@127.0.0.1').replace(/:\d+$/, ':1');
  let now = 0;
  const { redis } = connect(
    new Secret(
      url,
      () => url,
      () => (now += 1_000),
    ),
  );
  await once(redis, 'error');
  url = server.url;
  await untilReady(redis);
  expect(await redis.ping()).toBe('PONG');
});

it('uses the database that the URL names', async () => {
  const server = await privateRedis();
  const { redis } = connect(new Secret(`${server.url}/3`));
  await untilReady(redis);
  expect(await redis.client('INFO')).toContain(' db=3 ');
});

it('rejects the wait for a connection that was ended', async () => {
  const { redis } = connect(new Secret('redis://127.0.0.1:1'));
  const ready = untilReady(redis);
  redis.disconnect();
  await expect(ready).rejects.toThrow('ended before it was ready');
});
