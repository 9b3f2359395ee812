-- Some of the replays that wait for the lease's holder.
-- KEYS lease replays; ARGV held max
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A small hash is answered whole, whatever COUNT says; a piece of a big one may be empty, so it goes on until it finds some.
local cursor, found = '0', {}
repeat
  local piece = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', ARGV[2])
  cursor = piece[1]
  for index = 2, #piece[2], 2 do
    if #found < tonumber(ARGV[2]) then
      found[#found + 1] = piece[2][index]
    end
  end
until #found > 0 or cursor == '0'
return { 'ok', now, found }
