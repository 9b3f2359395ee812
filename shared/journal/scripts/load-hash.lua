-- One piece of a hash: some fields with their values, and where to go on ('0': that was all).
-- KEYS lease hash; ARGV held cursor count
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
local piece = redis.call('HSCAN', KEYS[2], ARGV[2], 'COUNT', ARGV[3])
return { 'ok', piece[1], piece[2] }
