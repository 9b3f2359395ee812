/**
 * `pace.ts` and `slots.ts` inside Redis. KEYS[1] is a hash with what the cluster remembers of one limit, in
 * microseconds of Redis' clock. It is forgotten when it says nothing any more: after two minutes without a slot or a 429.
 *
 * KEYS[2] is the name that the limit had in releases before, which named it after the credential. While consumers of such a release
 * use it, both have the same first free slot, so that an upgrade is not two rates. It is never made here and never prolonged.
 *
 * The numbers have 16 digits: exact as Lua's doubles, but not in Lua's own text form of 14, hence `%.0f`.
 */
import { coldPace, doublingUs, forgottenMs, halvedAbovePart, holdUs, keptMin, paceMin, strayFactor } from './pace.ts';

const state = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local fields = {'next', 'spacing', 'pace', 'climbs', 'judged', 'second', 'out', 'before', 'throttled', 'changed', 'reason'}
local state = {}
local known = redis.call('HMGET', KEYS[1], unpack(fields))
for index, field in ipairs(fields) do
  state[field] = field == 'reason' and (known[index] or '') or tonumber(known[index] or (field == 'pace' and '1' or '0'))
end
local former = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
state.next = math.max(state.next, former)
state.climbs = math.min(state.climbs, now + ${holdUs})
state.judged = math.min(state.judged, now + 1000000)
state.changed = math.min(state.changed, now)
local pace = math.min(1, state.pace * 2 ^ (math.max(0, now - state.climbs) / ${doublingUs}))

local function count()
  local passed = now - state.second
  if passed >= 0 and passed < 1000000 then return end
  state.before = passed < 2000000 and state.out or 0
  state.second, state.out, state.throttled = now, 0, 0
end

local function remember(...)
  local values = {}
  for _, field in ipairs({...}) do
    values[#values + 1] = field
    if field == 'reason' then values[#values + 1] = state[field]
    elseif field == 'pace' then values[#values + 1] = string.format('%.17g', state[field])
    else values[#values + 1] = string.format('%.0f', state[field]) end
  end
  redis.call('HSET', KEYS[1], unpack(values))
  redis.call('PEXPIRE', KEYS[1], ${forgottenMs})
  if former > 0 then redis.call('HSET', KEYS[2], 'next', string.format('%.0f', state.next)) end
end

local function answer(...)
  local said = {now, string.format('%.6f', pace), state.changed, state.reason, ...}
  return said
end
`;

/** ARGV: wanted, full spacing, horizon, piece. Answer: now, pace, changed, reason, spacing, count, first slot or wait. */
export const leaseScript = `${state}
if state.next == 0 and state.climbs == 0 then
  pace, state.pace, state.climbs = ${coldPace}, ${coldPace}, now
end
local wanted = tonumber(ARGV[1])
local spacing = math.ceil(tonumber(ARGV[2]) / pace)
local latest = now + tonumber(ARGV[3])
local piece = math.ceil(tonumber(ARGV[4]) / spacing)
local free = math.min(state.next, latest + spacing)
local first = math.max(free, now)
local room = math.max(0, math.floor((latest - first) / spacing) + 1)
if room < piece then
  if free < state.next then
    state.next = free
    remember('next', 'climbs', 'judged')
  end
  return answer(spacing, 0, first + (piece - 1) * spacing - latest)
end
count()
local given = math.min(wanted, room)
state.next = first + given * spacing
state.out = state.out + given
state.spacing = spacing
remember('next', 'spacing', 'pace', 'climbs', 'judged', 'second', 'out', 'before', 'throttled')
return answer(spacing, given, first)
`;

/** ARGV: how many, when the latest of them started, reason. Answer: now, pace, changed, reason. */
export const throttleScript = `${state}
if tonumber(ARGV[2]) < state.judged then return answer() end
count()
local isFirst = state.throttled == 0
state.throttled = state.throttled + tonumber(ARGV[1])
if state.throttled > ${halvedAbovePart} * math.max(state.out, state.before) then
  local kept = 0.5
  local since = tonumber(ARGV[2]) - state.judged
  if state.spacing > 0 and since < 1000000 then
    kept = math.max(${keptMin}, math.min(0.5, 1 - state.throttled / (since / state.spacing + 1)))
  end
  pace = math.max(${paceMin}, pace * kept)
  state.judged = now + 1000000
  state.second, state.out, state.throttled = now, 0, 0
elseif isFirst then
  pace = math.max(${paceMin}, pace * ${strayFactor})
end
state.pace, state.climbs, state.changed, state.reason = pace, now + ${holdUs}, now, ARGV[3]
remember('pace', 'climbs', 'judged', 'second', 'out', 'before', 'throttled', 'changed', 'reason')
return answer()
`;

/** ARGV: how many, where they ended, spacing. Answer: now, pace, changed, reason. */
export const giveBackScript = `${state}
if state.next == tonumber(ARGV[2]) then
  state.next = math.max(now, state.next - tonumber(ARGV[1]) * tonumber(ARGV[3]))
  remember('next')
end
return answer()
`;
