-- From now on only consumers that know of this number of shards may claim the shard.
-- KEYS lease head; ARGV held shards
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
redis.call('HSET', KEYS[2], 'shards', ARGV[2])
return { 'ok' }
