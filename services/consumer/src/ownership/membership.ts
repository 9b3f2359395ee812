import { createScript, runScript, type ScriptClient } from '../../../../shared/redis/script.ts';
import { membersKey, topologyKey } from '../../../../shared/topology/names.ts';
import type { Topology } from '../../../../shared/topology/record.ts';

/**
 * Who is in the cluster: one sorted set of members by the time when their heartbeat runs out, on Redis' clock. The same
 * script reads the topology, so that every heartbeat notices when Redis has lost its data (invariant 8), or the number of
 * shards is another one.
 */
export interface Heartbeat {
  readonly members: readonly string[];
  /** Undefined when Redis has no topology. */
  readonly topology: Pick<Topology, 'incarnation' | 'shards'> | undefined;
}

export interface Membership {
  heartbeat(member: string, ttlMs: number): Promise<Heartbeat>;
  /** Resolves with the members that are left. */
  withdraw(member: string): Promise<readonly string[]>;
  /**
   * Redis has lost writes: its record of the topology is not to be trusted any more, and with the next heartbeat every member
   * notices. Without effect when the incarnation is another one by now. Rejects when Redis gives no answer.
   */
  distrust(incarnation: string): Promise<void>;
}

/**
 * A heartbeat that runs out later than any can, was written before Redis' clock was set back: it is brought forward, else a member
 * that is gone would count, and keep its share of the shards from the others, for as long as the clock was set back. Twice the
 * time, because members may have been given different ones.
 */
const heartbeatScript = createScript(
  'heartbeat',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
local latest = string.format('%.0f', now + 2 * ARGV[2])
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. latest, '+inf')) do
  redis.call('ZADD', KEYS[1], latest, member)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local topology = redis.call('HMGET', KEYS[2], 'incarnation', 'shards')
return {topology[1] or '', topology[2] or '', redis.call('ZRANGE', KEYS[1], 0, -1)}
`,
);

const withdrawScript = createScript(
  'withdraw',
  `
local time = redis.call('TIME')
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
return redis.call('ZRANGE', KEYS[1], 0, -1)
`,
);

/** What was there stays in the record under another name, for the person who looks. */
const distrustScript = createScript(
  'distrust',
  `
if redis.call('HGET', KEYS[1], 'incarnation') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'incarnation')
  redis.call('HSET', KEYS[1], 'distrusted', ARGV[1])
end
return {'ok'}
`,
);

export function createMembership(redis: ScriptClient, namespace: string): Membership {
  const members = membersKey(namespace);
  const topology = topologyKey(namespace);
  return {
    async heartbeat(member, ttlMs) {
      const reply = await runScript(redis, heartbeatScript, [members, topology], [member, ttlMs]);
      const incarnation = reply.text(0);
      return {
        members: reply.list(2).texts(),
        topology: incarnation === '' ? undefined : { incarnation, shards: reply.integer(1) },
      };
    },
    async withdraw(member) {
      return (await runScript(redis, withdrawScript, [members], [member])).texts();
    },
    async distrust(incarnation) {
      await runScript(redis, distrustScript, [topology], [incarnation]);
    },
  };
}
