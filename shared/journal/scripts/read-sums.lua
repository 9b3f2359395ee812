-- What additions of these keys have added up, where it is still parked; and how many entries are parked in all.
-- KEYS lease sums parked; ARGV held key …
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local records = {}
for index = 2, #ARGV do
  local identifier = redis.call('HGET', KEYS[2], ARGV[index])
  records[index - 1] = identifier and redis.call('HGET', KEYS[3], identifier)
end
return { 'ok', now, redis.call('HLEN', KEYS[3]), records }
