-- What totals are now. A total that its month does not have may stand where format 1 kept all of them.
-- KEYS lease month before; ARGV held field …
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local values = redis.call('HMGET', KEYS[2], unpack(ARGV, 2))
if KEYS[2] ~= KEYS[3] then
  for index = 1, #ARGV - 1 do
    values[index] = values[index] or redis.call('HGET', KEYS[3], ARGV[index + 1])
  end
end
return { 'ok', now, values }
