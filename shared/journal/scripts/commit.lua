-- Commits a flush set with everything that belongs to it, all or nothing (invariant 2).
-- KEYS lease head set cursors ids idsets totals
-- ARGV held set token blob, then five lists, each after its length:
--   forgotten cursors; forgotten id sets; cursors, totals and ids as field, value, …
--   and at the end the slots of the ids as `idsets` keeps them ('' without ids)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local head = redis.call('HMGET', KEYS[2], 'set', 'token', 'state', 'next')
if head[1] == ARGV[2] and head[2] == ARGV[3] then
  return { 'ok', now }
end
if head[3] == 'pending' then
  return { 'pending' }
end
if head[4] ~= ARGV[2] then
  return { 'number' }
end

local at = 5
local function list()
  local first = at + 1
  at = first + tonumber(ARGV[at])
  return first, at - 1
end

-- In pieces: Lua unpacks some 8,000 values at most. Even, so that a field is never parted from its value.
local function write(command, key)
  local first, last = list()
  for from = first, last, 4000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 3999, last)))
  end
end

write('HDEL', KEYS[4])
local first, last = list()
for index = first, last do
  local idSet = redis.call('HGET', KEYS[6], ARGV[index])
  if idSet then
    for slot in string.gmatch(string.match(idSet, '^[^|]*'), '%d+') do
      redis.call('HDEL', KEYS[5], ARGV[index] .. ':' .. slot)
    end
    redis.call('HDEL', KEYS[6], ARGV[index])
  end
end
write('HSET', KEYS[4])
write('HSET', KEYS[7])
write('HSET', KEYS[5])
if ARGV[at] ~= '' then
  redis.call('HSET', KEYS[6], ARGV[2], ARGV[at] .. '|')
end
redis.call('SET', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[2], 'set', ARGV[2], 'token', ARGV[3], 'state', 'pending',
  'committedAt', string.format('%.0f', now), 'next', string.format('%.0f', tonumber(ARGV[2]) + 1))
return { 'ok', now }
