-- Takes over deferred and parked entries of another shard, and waiting replays, as they are. Repeated, it changes nothing.
-- KEYS lease deferred parked replays; ARGV held, then three lists of identifier, entry, …, each after its length, for these keys
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local at = 2
for _, key in ipairs({ KEYS[2], KEYS[3], KEYS[4] }) do
  local last = at + tonumber(ARGV[at])
  for index = at + 1, last, 2 do
    redis.call('HSET', key, ARGV[index], ARGV[index + 1])
  end
  at = last + 1
end
return { 'ok' }
