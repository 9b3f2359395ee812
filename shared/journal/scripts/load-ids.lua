-- Remembered ids of the first of these fields, as many as fit into maxBytes, at least one.
-- KEYS lease ids; ARGV held maxBytes field …
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local left = tonumber(ARGV[2])
local values = {}
for index = 3, #ARGV do
  left = left - redis.call('HSTRLEN', KEYS[2], ARGV[index])
  if left < 0 and index > 3 then
    break
  end
  values[#values + 1] = redis.call('HGET', KEYS[2], ARGV[index])
end
return { 'ok', values }
