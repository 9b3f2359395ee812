-- The pending set is settled. Repeated, it answers the time of the first settlement.
-- KEYS lease head set settled marks progress idsets; ARGV held set token keepMs progressWrites
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local head = redis.call('HMGET', KEYS[2], 'set', 'token', 'state', 'settledAt')
if head[1] ~= ARGV[2] or head[2] ~= ARGV[3] then
  return { 'mismatch' }
end
if head[3] == 'settled' then
  return { 'ok', tonumber(head[4]) }
end
if redis.call('EXISTS', KEYS[3]) == 0 or redis.call('LLEN', KEYS[6]) ~= tonumber(ARGV[5]) then
  return { 'mismatch' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local settledAt = string.format('%.0f', now)
redis.call('RENAME', KEYS[3], KEYS[4])
redis.call('PEXPIRE', KEYS[4], ARGV[4])
redis.call('DEL', KEYS[5], KEYS[6])
local idSet = redis.call('HGET', KEYS[7], ARGV[2])
if idSet then
  redis.call('HSET', KEYS[7], ARGV[2], idSet .. settledAt)
end
redis.call('HSET', KEYS[2], 'state', 'settled', 'settledAt', settledAt)
return { 'ok', now }
