import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis as Client } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { Secret } from '../config/secret.ts';
import { createLog } from '../log/log.ts';
import { makeAuthority } from '../testing/authority.ts';
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

function connect(url: Secret, commandTimeoutMs = 5_000, ca?: Secret): { redis: Redis; lines: string[] } {
  const lines: string[] = [];
  const log = createLog(
    { service: 'test', level: 'info' },
    { write: (line) => void lines.push(/"msg":"([^"]*)"/.exec(line)?.[1] ?? line) },
  );
  const redis = connectRedis(url, { name: 'test', log, ca, commandTimeoutMs, random: () => 0.5 });
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

it('rejects at once while there is no connection, and says once that it broke, why it stays away, and that it is back', async () => {
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
    'Redis cannot be used',
    'Redis is back',
  ]);
  redis.disconnect();
  await until(() => redis.status === 'end');
  expect(lines).toHaveLength(4);
});

// A failover, or a URL that names a replica: "Redis is back." eight times a second, while no write was taken.
it('leaves a Redis that is read-only, and says neither that it broke nor that it is back', async () => {
  const server = await privateRedis();
  const { redis, lines } = connect(new Secret(server.url));
  await untilReady(redis);
  await askDirectly(server, 'replicaof', '127.0.0.1', '1');
  let connections = 0;
  redis.on('ready', () => (connections += 1));
  await until(async () => {
    await redis.set('key', '1').catch(() => undefined);
    expect(connections).toBeGreaterThanOrEqual(2);
  });
  await askDirectly(server, 'replicaof', 'no', 'one');
  await until(() => redis.set('key', '1'));
  expect(lines).toEqual(['Redis is connected.']);
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

it('trusts a certificate only by the CA file, which it reads again when it reconnects', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-redis-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const authority = await makeAuthority(folder);
  const server = await startRedis({ tls: await authority.issue('redis') });
  cleanups.push(() => server.stop());
  const url = new Secret(server.tlsUrl ?? '');

  let pem = await readFile((await makeAuthority(join(folder, 'other'))).ca, 'utf8');
  let now = 0;
  const ca = new Secret(
    pem,
    () => pem,
    () => (now += 1_000),
  );
  const { redis } = connect(url, 5_000, ca);
  const [error] = (await once(redis, 'error')) as [Error];
  expect(error.message).toMatch(/self-signed certificate|unable to verify/);
  pem = await readFile(authority.ca, 'utf8');
  await untilReady(redis);
  expect(await redis.ping()).toBe('PONG');
});

it('follows the primary of a Redis Cluster, before and after a failover, and what a replica refused was not done', async () => {
  const [primary, replica] = await clusterOfTwo();
  const { redis, lines } = connect(new Secret(replica.url));
  const set = (value: string) => redis.set('counter', value);
  await untilReady(redis);
  await expect(set('never')).rejects.toThrow(/^MOVED/);
  await until(() => set('first'));
  expect(await askDirectly(primary, 'get', 'counter')).toBe('first');
  expect(lines).toContain('This Redis node is not the primary; connecting to the one that is.');

  await until(async () => expect(await askDirectly(replica, 'cluster', 'failover')).toBe('OK'));
  await until(async () => expect(await askDirectly(replica, 'role')).toContain('master'));
  await until(() => set('second'));
  expect(await askDirectly(replica, 'get', 'counter')).toBe('second');
});

/** A primary with every slot and its replica, as MemoryDB has them with one shard. */
async function clusterOfTwo(): Promise<[BackingService, BackingService]> {
  const [primary, replica] = await Promise.all([startRedis({ cluster: true }), startRedis({ cluster: true })]);
  cleanups.push(() => Promise.all([primary.stop(), replica.stop()]));
  await askDirectly(primary, 'cluster', 'addslotsrange', '0', '16383');
  const [, busPort] = (await askDirectly(primary, 'config', 'get', 'cluster-port')) as [string, string];
  await askDirectly(replica, 'cluster', 'meet', '127.0.0.1', new URL(primary.url).port, busPort);
  const id = String(await askDirectly(primary, 'cluster', 'myid'));
  await until(async () => expect(await askDirectly(replica, 'cluster', 'replicate', id)).toBe('OK'));
  await until(async () => expect(await askDirectly(replica, 'info', 'replication')).toContain('master_link_status:up'));
  await until(async () => expect(await askDirectly(replica, 'cluster', 'info')).toContain('cluster_state:ok'));
  return [primary, replica];
}

async function askDirectly({ url }: BackingService, command: string, ...args: readonly string[]): Promise<unknown> {
  const redis = new Client(url, { protocol: 2 });
  try {
    return await redis.call(command, ...args);
  } finally {
    redis.disconnect();
  }
}
