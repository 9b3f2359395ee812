-- Commits a flush set with everything that belongs to it, all or nothing (invariant 2).
-- KEYS lease head set cursors ids idsets, then keys of totals
-- ARGV held set token blob, then four lists, each after its length:
--   forgotten cursors; forgotten id sets; cursors and ids as field, value, …
--   then the slots of the ids as `idsets` keeps them ('' without ids); how long totals are kept ('' for ever); and for each key of
--   totals a list of field, value, …
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
write('HSET', KEYS[5])
if ARGV[at] ~= '' then
  redis.call('HSET', KEYS[6], ARGV[2], ARGV[at] .. '|')
end
at = at + 1
local keptMs = ARGV[at]
at = at + 1
for index = 7, #KEYS do
  write('HSET', KEYS[index])
  if keptMs ~= '' then
    redis.call('PEXPIRE', KEYS[index], keptMs)
  end
end
redis.call('SET', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[2], 'set', ARGV[2], 'token', ARGV[3], 'state', 'pending',
  'committedAt', string.format('%.0f', now), 'next', string.format('%.0f', tonumber(ARGV[2]) + 1))
return { 'ok', now }
