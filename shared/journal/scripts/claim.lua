-- Takes the lease if it is free, or held by the same owner (whose earlier claim may not have been answered), under a new epoch.
-- After the number of shards was changed, whoever knows of another number is refused: it would take slots for its own that are not.
-- A journal in a format that the claimer does not read is refused; one that is older than what the cluster writes is raised to
-- that, so that from now on no version that does not read it can claim. The version that only knows format 1 has a script of its
-- own, which takes nothing but format 1.
-- KEYS lease head totals; ARGV owner ttlMs newestFormatRead shards ('' claims whatever the number is) formatWritten totalsKeptMs
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
if format and not (tonumber(format) and tonumber(format) <= tonumber(ARGV[3])) then
  return { 'format', format }
end
if not format then
  redis.call('HSET', KEYS[2], 'format', ARGV[5], 'next', 1)
elseif tonumber(format) < tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[2], 'format', ARGV[5])
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end
local epoch = redis.call('HINCRBY', KEYS[2], 'epoch', 1)
redis.call('SET', KEYS[1], string.format('%.0f|%s', epoch, ARGV[1]), 'PX', ARGV[2])
local time = redis.call('TIME')
local head = redis.call('HMGET', KEYS[2], 'next', 'format')
return { 'ok', epoch, head[1], time[1] * 1000 + math.floor(time[2] / 1000), head[2] }
