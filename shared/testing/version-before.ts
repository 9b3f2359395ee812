import type { Redis } from 'ioredis';
import { createScript, runScript } from '../redis/script.ts';
import { membersKey, topologyKey } from '../topology/names.ts';
import { shardKeys } from '../journal/keys.ts';

/**
 * The version that knows journal format 1 only (0852f72), as far as it meets a cluster's Redis: its scripts word for word, and what
 * it checks before it reads. For tests of a rollback to it.
 */
export function versionBefore(redis: Redis, namespace: string, shard: number) {
  const keys = shardKeys(namespace, shard);
  return {
    /** Its consumer begins with the topology, and waits while it cannot use it. */
    topologyFault: async (): Promise<string | undefined> => {
      const format = await redis.hget(topologyKey(namespace), 'format');
      return format === '1' ? undefined : `is stored in format ${format}, and this version reads format 1 only`;
    },
    heartbeat: async (member: string, ttlMs = 5_000): Promise<readonly string[]> => {
      const reply = await runScript(
        redis,
        heartbeatScript,
        [membersKey(namespace), topologyKey(namespace)],
        [member, ttlMs],
      );
      return reply.list(2).texts();
    },
    /** `format 2`: it would say that it reads format 1 only, and what to run. */
    claim: async (owner: string): Promise<string> => {
      const reply = await runScript(redis, claimScript, [keys.lease, keys.head], [owner, 60_000, 1, '']);
      return reply.text(0) === 'format' ? `format ${reply.text(1)}` : reply.text(0);
    },
    release: () => redis.del(keys.lease),
    /** What it would not read of the shard's journal. */
    unreadable: async (): Promise<readonly string[]> => {
      const blob = await redis.getBuffer(keys.set);
      const records = [keys.deferred, keys.parked, keys.replays].map((key) => redis.hvals(key));
      const versions = (await Promise.all(records))
        .flat()
        .map((text) => (JSON.parse(text) as { version: number }).version);
      return [
        ...((await redis.hget(keys.head, 'format')) === '1' ? [] : ['head']),
        ...(blob === null || blob[0] === 1 ? [] : ['set']),
        ...versions.filter((version) => version !== 1).map((version) => `entry in format ${version}`),
      ];
    },
  };
}

const heartbeatScript = createScript(
  'heartbeat',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local topology = redis.call('HMGET', KEYS[2], 'incarnation', 'shards')
return {topology[1] or '', topology[2] or '', redis.call('ZRANGE', KEYS[1], 0, -1)}
`,
);

const claimScript = createScript(
  'claim',
  `
local lease = redis.call('GET', KEYS[1])
if lease then
  local holder = string.match(lease, '^%d+|(.*)$')
  if holder ~= ARGV[1] then
    return { 'held', holder, redis.call('PTTL', KEYS[1]) }
  end
end
local shards = redis.call('HGET', KEYS[2], 'shards')
if shards and ARGV[4] ~= '' and shards ~= ARGV[4] then
  return { 'held', 'nobody who does not know that there are ' .. shards .. ' shards now', 1000 }
end
local format = redis.call('HGET', KEYS[2], 'format')
if format and format ~= ARGV[3] then
  return { 'format', format }
end
if not format then
  redis.call('HSET', KEYS[2], 'format', ARGV[3], 'next', 1)
end
local epoch = redis.call('HINCRBY', KEYS[2], 'epoch', 1)
redis.call('SET', KEYS[1], string.format('%.0f|%s', epoch, ARGV[1]), 'PX', ARGV[2])
local time = redis.call('TIME')
return { 'ok', epoch, redis.call('HGET', KEYS[2], 'next'), time[1] * 1000 + math.floor(time[2] / 1000) }
`,
);
