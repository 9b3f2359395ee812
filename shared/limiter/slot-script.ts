/**
 * `leaseSlots` of `slots.ts` inside Redis. KEYS[1]: the first free slot, in microseconds of Redis' clock.
 * ARGV: wanted, spacing, horizon, piece. Answer: now, count, and the first slot's time, or, with a count of 0, the wait.
 *
 * The numbers have 16 digits: exact as Lua's doubles, but not in Lua's own text form of 14, hence `%.0f`.
 */
export const slotScript = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wanted = tonumber(ARGV[1])
local spacing = tonumber(ARGV[2])
local horizon = tonumber(ARGV[3])
local piece = math.ceil(tonumber(ARGV[4]) / spacing)
local latest = now + horizon
local first = tonumber(redis.call('GET', KEYS[1]) or '0')
first = math.max(math.min(first, latest + spacing), now)
local room = math.max(0, math.floor((latest - first) / spacing) + 1)
if room < piece then
  return {now, 0, first + (piece - 1) * spacing - latest}
end
local count = math.min(wanted, room)
local free = first + count * spacing
-- Once the first free slot lies in the past, the key says nothing any more.
redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000) + 1000)
return {now, count, first}
`;
