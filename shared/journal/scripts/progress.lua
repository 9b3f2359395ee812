-- Records how entries of the pending set ended, and parks those that were not accepted, in one write.
-- KEYS lease head progress deferred parked
-- ARGV held set token states, then two lists of identifier, entry, …, each after its length: deferred, parked
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
if ARGV[4] ~= '' then
  redis.call('RPUSH', KEYS[3], ARGV[4])
end
return { 'ok', now }
