import { createScript, runScript, type ScriptClient } from '../../../../shared/redis/script.ts';
import { formatOf, type JournalFormat, newestFormat, oldestFormat } from '../../../../shared/journal/format.ts';
import { memberFormatsKey, membersKey, topologyKey } from '../../../../shared/topology/names.ts';
import type { Topology } from '../../../../shared/topology/record.ts';

/**
 * Who is in the cluster: one sorted set of members by the time when their heartbeat runs out, on Redis' clock. The same
 * script reads the topology, so that every heartbeat notices when Redis has lost its data (invariant 8), or the number of
 * shards is another one.
 *
 * Each member also says which journal format it reads, and the cluster goes over to a newer one (in the topology's record) once
 * every member has read it for an hour without interruption. Until then the version before can come back at any time; from then
 * on it does not read the record, and is refused in words. What fences it for good is each journal's own format (`claim.lua`).
 */
export interface Heartbeat {
  readonly members: readonly string[];
  /** Undefined when Redis has no topology. */
  readonly topology: Pick<Topology, 'incarnation' | 'shards'> | undefined;
  /** In which the cluster writes its journals. */
  readonly format: JournalFormat;
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

/** Long enough to notice that a new version is not what it should be, and to go back. */
const switchAfterMs = 3_600_000;

/**
 * A heartbeat that runs out later than any can, was written before Redis' clock was set back: it is brought forward, else a member
 * that is gone would count, and keep its share of the shards from the others, for as long as the clock was set back. Twice the
 * time, because members may have been given different ones. The same for the time since when a newer format is read.
 */
const heartbeatScript = createScript(
  'heartbeat',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local latest = now + 2 * ARGV[2]
local scored = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for at = 1, #scored, 2 do
  if tonumber(scored[at + 1]) > latest then redis.call('ZADD', KEYS[1], string.format('%.0f', latest), scored[at]) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local isFirst = redis.call('ZCOUNT', KEYS[1], '-inf', '+inf') == 0
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])

local announced = redis.call('HGETALL', KEYS[3])
local formats = {}
for at = 1, #announced, 2 do formats[announced[at]] = tonumber(announced[at + 1]) end
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
local isMember = {}
local reads = tonumber(ARGV[3])
for _, member in ipairs(members) do
  isMember[member] = true
  reads = math.min(reads, formats[member] or 1)
end
for member in pairs(formats) do
  if not isMember[member] then redis.call('HDEL', KEYS[3], member) end
end

local topology = redis.call('HMGET', KEYS[2], 'incarnation', 'shards', 'format', 'formatReadSince')
local format = topology[3]
if topology[1] and format and tonumber(format) < reads then
  -- Nobody was there: what was read before is interrupted.
  if isFirst or not topology[4] or now < tonumber(topology[4]) then
    redis.call('HSET', KEYS[2], 'formatReadSince', string.format('%.0f', now))
  elseif now - topology[4] >= tonumber(ARGV[4]) then
    format = tostring(reads)
    redis.call('HSET', KEYS[2], 'format', format)
    redis.call('HDEL', KEYS[2], 'formatReadSince')
  end
elseif topology[4] then
  redis.call('HDEL', KEYS[2], 'formatReadSince')
end
-- One that does not read what is written can claim nothing: its part of the shards is the others'.
local able = {}
for _, member in ipairs(members) do
  if (formats[member] or 1) >= tonumber(format or 1) then able[#able + 1] = member end
end
return {topology[1] or '', topology[2] or '', able, format or ''}
`,
);

const withdrawScript = createScript(
  'withdraw',
  `
local time = redis.call('TIME')
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
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

export interface MembershipOptions {
  /** The newest journal format that this member reads. */
  readonly reads?: JournalFormat;
  readonly switchAfterMs?: number;
}

export function createMembership(redis: ScriptClient, namespace: string, options: MembershipOptions = {}): Membership {
  const announced = [options.reads ?? newestFormat, options.switchAfterMs ?? switchAfterMs];
  const members = membersKey(namespace);
  const formats = memberFormatsKey(namespace);
  const topology = topologyKey(namespace);
  return {
    async heartbeat(member, ttlMs) {
      const reply = await runScript(
        redis,
        heartbeatScript,
        [members, topology, formats],
        [member, ttlMs, ...announced],
      );
      const incarnation = reply.text(0);
      return {
        members: reply.list(2).texts(),
        topology: incarnation === '' ? undefined : { incarnation, shards: reply.integer(1) },
        format: formatOf(reply.text(3)) ?? oldestFormat,
      };
    },
    async withdraw(member) {
      return (await runScript(redis, withdrawScript, [members, formats], [member])).texts();
    },
    async distrust(incarnation) {
      await runScript(redis, distrustScript, [topology], [incarnation]);
    },
  };
}
