-- Extends the lease while it is held under this very epoch, and says how many replays wait for its holder.
-- Raises the journal to the format that the cluster writes by now, and answers which one it has.
-- KEYS lease replays head totals; ARGV held ttlMs formatWritten totalsKeptMs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale', now, 0 }
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local format = redis.call('HGET', KEYS[3], 'format')
if format and tonumber(format) < tonumber(ARGV[3]) then
  format = ARGV[3]
  redis.call('HSET', KEYS[3], 'format', format)
  redis.call('PEXPIRE', KEYS[4], ARGV[4])
end
return { 'ok', now, redis.call('HLEN', KEYS[2]), format or 'none' }
