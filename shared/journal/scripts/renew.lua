-- Extends the lease while it is held under this very epoch, and says how many replays wait for its holder.
-- KEYS lease replays; ARGV held ttlMs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale', now, 0 }
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 'ok', now, redis.call('HLEN', KEYS[2]) }
