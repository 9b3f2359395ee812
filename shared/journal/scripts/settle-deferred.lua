-- Ends a deferred entry, or rewrites it. One that is not deferred (any more) is left as it is: a repetition changes
-- nothing, and a late one does not bring back what has ended since.
-- KEYS lease deferred parked closed; ARGV held identifier outcome entry closedKeepMs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale', now }
end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then
  return { 'ok', now }
end
if ARGV[3] == 'deferred' then
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
  return { 'ok', now }
end
redis.call('HDEL', KEYS[2], ARGV[2])
if ARGV[3] ~= 'accepted' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
elseif ARGV[4] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[2], ARGV[4])
  redis.call('PEXPIRE', KEYS[4], ARGV[5])
end
return { 'ok', now }
