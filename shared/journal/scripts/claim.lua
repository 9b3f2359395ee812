-- Takes the lease if it is free, or held by the same owner (whose earlier claim may not have been answered), under a new epoch.
-- After the number of shards was changed, whoever knows of another number is refused: it would take slots for its own that are not.
-- KEYS lease head; ARGV owner ttlMs format shards ('' claims whatever the number is)
local lease = redis.call('GET', KEYS[1])
if lease then
  local holder = string.match(lease, '^%d+|(.*)$')
  if holder ~= ARGV[1] then
    return { 'held', holder, redis.call('PTTL', KEYS[1]) }
  end
end
local shards = redis.call('HGET', KEYS[2], 'shards')
if shards and ARGV[4] ~= '' and shards ~= ARGV[4] then
  return { 'held', 'nobody who does not know that there are ' .. shards .. ' shards now', 1000 }
end
local format = redis.call('HGET', KEYS[2], 'format')
if format and format ~= ARGV[3] then
  return { 'format', format }
end
if not format then
  redis.call('HSET', KEYS[2], 'format', ARGV[3], 'next', 1)
end
local epoch = redis.call('HINCRBY', KEYS[2], 'epoch', 1)
redis.call('SET', KEYS[1], string.format('%.0f|%s', epoch, ARGV[1]), 'PX', ARGV[2])
local time = redis.call('TIME')
return { 'ok', epoch, redis.call('HGET', KEYS[2], 'next'), time[1] * 1000 + math.floor(time[2] / 1000) }
