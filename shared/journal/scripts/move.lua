-- Moves records of a shard from one hash to another under new names, each only if it still is what its reader saw: whoever
-- decides about entries holds no lease, and an owner or another person may have been faster. Answers the old names of the moved.
-- KEYS from to; ARGV keepMs ('' for ever), then name, expected, new name, record, …
local moved = {}
for index = 2, #ARGV, 4 do
  if redis.call('HGET', KEYS[1], ARGV[index]) == ARGV[index + 1] then
    redis.call('HDEL', KEYS[1], ARGV[index])
    redis.call('HSET', KEYS[2], ARGV[index + 2], ARGV[index + 3])
    moved[#moved + 1] = ARGV[index]
  end
end
if ARGV[1] ~= '' and #moved > 0 then
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return { moved }
