-- Moves records of a shard from one hash to another under new names, each only if it still is what its reader saw: whoever
-- decides about entries holds no lease, and an owner or another person may have been faster. Answers the old names of the moved.
-- While the shard's entries are being carried to another shard nothing is decided: there may be two copies of one.
-- KEYS lease from to; ARGV mover keepMs ('' for ever), then name, expected, new name, record, …
local lease = redis.call('GET', KEYS[1])
if lease and string.match(lease, '^%d+|(.*)$') == ARGV[1] then
  return { 'moving' }
end
local moved = {}
for index = 3, #ARGV, 4 do
  if redis.call('HGET', KEYS[2], ARGV[index]) == ARGV[index + 1] then
    redis.call('HDEL', KEYS[2], ARGV[index])
    redis.call('HSET', KEYS[3], ARGV[index + 2], ARGV[index + 3])
    moved[#moved + 1] = ARGV[index]
  end
end
if ARGV[2] ~= '' and #moved > 0 then
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
return { 'ok', moved }
