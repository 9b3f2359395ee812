-- Journals that entries of the pending set are about to be attempted (invariant 6).
-- KEYS lease head marks; ARGV held set token runs
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local head = redis.call('HMGET', KEYS[2], 'set', 'token', 'state')
if head[1] ~= ARGV[2] or head[2] ~= ARGV[3] or head[3] ~= 'pending' then
  return { 'mismatch' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[4] ~= '' then
  redis.call('RPUSH', KEYS[3], string.format('%.0f|%s', now, ARGV[4]))
end
return { 'ok', now }
