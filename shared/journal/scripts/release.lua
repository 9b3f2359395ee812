-- Gives back the lease, if it is still held under this very epoch.
-- KEYS lease; ARGV held
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'stale' }
end
redis.call('DEL', KEYS[1])
return { 'ok' }
