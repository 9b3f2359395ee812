-- Moves replays among the deferred entries, as they are given here: the lease's holder calls them from now on. One that is
-- gone is left out; one that was moved before, by a first copy of this very write, counts as moved.
-- KEYS lease replays deferred; ARGV held, then identifier, entry, …
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for index = 2, #ARGV, 2 do
  local identifier = ARGV[index]
  if redis.call('HDEL', KEYS[2], identifier) == 1 then
    redis.call('HSET', KEYS[3], identifier, ARGV[index + 1])
    taken[#taken + 1] = identifier
  elseif redis.call('HEXISTS', KEYS[3], identifier) == 1 then
    taken[#taken + 1] = identifier
  end
end
return { 'ok', now, taken }
