-- Drops entries that another shard has taken over.
-- KEYS lease deferred parked replays; ARGV held identifier …
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
for index = 2, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[index])
  redis.call('HDEL', KEYS[3], ARGV[index])
  redis.call('HDEL', KEYS[4], ARGV[index])
end
return { 'ok' }
