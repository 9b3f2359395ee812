-- Extends the lease while it is held under this very epoch.
-- KEYS lease; ARGV held ttlMs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale', now }
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 'ok', now }
