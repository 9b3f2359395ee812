-- Records how entries of the pending set ended, and parks those that were not accepted, in one write.
-- Dead entries that were never sent are added to a parked one, if that still is what its reader saw: a person may have decided
-- about it. Scripts do no arithmetic: the sum is what the actor computed.
-- KEYS lease head progress deferred parked sums
-- ARGV held set token states, then two lists of identifier, entry, …, each after its length: deferred, parked; then how long sums are
--   found, and for each addition: its key; identifier ('' none), entry and sum of what it is added to; its own identifier and entry
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local head = redis.call('HMGET', KEYS[2], 'set', 'token', 'state')
if head[1] ~= ARGV[2] or head[2] ~= ARGV[3] or head[3] ~= 'pending' then
  return { 'mismatch' }
end
-- A repetition of a write that had no answer, or its first copy that comes late: by now a deferred entry may have ended.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('LPOS', KEYS[3], ARGV[4]) then
  return { 'ok', now }
end
local at = 5
for key = 4, 5 do
  local first = at + 1
  at = first + tonumber(ARGV[at])
  -- In pieces: Lua unpacks some 8,000 values at most.
  for from = first, at - 1, 4000 do
    redis.call('HSET', KEYS[key], unpack(ARGV, from, math.min(from + 3999, at - 1)))
  end
end
local keptMs = ARGV[at]
for index = at + 1, #ARGV, 6 do
  local identifier = ARGV[index + 1]
  if identifier ~= '' and redis.call('HGET', KEYS[5], identifier) == ARGV[index + 2] then
    redis.call('HSET', KEYS[5], identifier, ARGV[index + 3])
  else
    redis.call('HSET', KEYS[5], ARGV[index + 4], ARGV[index + 5])
    redis.call('HSET', KEYS[6], ARGV[index], ARGV[index + 4])
  end
end
if at < #ARGV then
  redis.call('PEXPIRE', KEYS[6], keptMs)
end
if ARGV[4] ~= '' then
  redis.call('RPUSH', KEYS[3], ARGV[4])
end
return { 'ok', now }
