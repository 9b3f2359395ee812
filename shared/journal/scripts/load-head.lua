-- First piece of what the next owner starts from: the numbers and the pending set.
-- KEYS lease head set marks progress; ARGV held
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local head = redis.call('HMGET', KEYS[2], 'format', 'next', 'set', 'token', 'state')
return { 'ok', now, head, redis.call('GET', KEYS[3]), redis.call('LRANGE', KEYS[4], 0, -1), redis.call('LRANGE', KEYS[5], 0, -1) }
