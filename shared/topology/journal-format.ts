import type { Redis } from 'ioredis';
import { type JournalFormat, newestFormat } from '../journal/format.ts';
import { createScript, runScript } from '../redis/script.ts';
import { memberFormatsKey, membersKey, topologyKey } from './names.ts';

/**
 * The journal format that a cluster writes stands in the topology's record. It rises by itself once every member has read the newer
 * one for an hour (the heartbeat of `services/consumer/src/ownership/membership.ts`), or at once when a person says so here. It
 * never falls: what is written in it cannot be read by the version before.
 */
export type FormatChange =
  | { readonly answer: 'raised' | 'already' | 'no_topology' }
  /** These members do not read it: nothing was changed. */
  | { readonly answer: 'hindered'; readonly members: readonly string[] };

const raiseScript = createScript(
  'raise-journal-format',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local topology = redis.call('HMGET', KEYS[2], 'incarnation', 'format')
if not topology[1] or not topology[2] then return {'no_topology', {}} end
if tonumber(topology[2]) >= tonumber(ARGV[1]) then return {'already', {}} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local hindering = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if tonumber(redis.call('HGET', KEYS[3], member) or 1) < tonumber(ARGV[1]) then hindering[#hindering + 1] = member end
end
if #hindering > 0 then return {'hindered', hindering} end
redis.call('HSET', KEYS[2], 'format', ARGV[1])
redis.call('HDEL', KEYS[2], 'formatReadSince')
return {'raised', {}}
`,
);

export async function raiseJournalFormat(
  redis: Redis,
  namespace: string,
  format: JournalFormat = newestFormat,
): Promise<FormatChange> {
  const keys = [membersKey(namespace), topologyKey(namespace), memberFormatsKey(namespace)];
  const reply = await runScript(redis, raiseScript, keys, [format]);
  const answer = reply.text(0);
  switch (answer) {
    case 'hindered':
      return { answer, members: reply.list(1).texts() };
    case 'raised':
    case 'already':
    case 'no_topology':
      return { answer };
    default:
      throw new Error(`The script raise-journal-format answered ${answer}.`);
  }
}
