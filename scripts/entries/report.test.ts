import { expect, it } from 'vitest';
import type { FoundEntry } from '../../shared/journal/entry-book.ts';
import { replayOf } from '../../shared/journal/replay.ts';
import { parkedOf } from '../../shared/testing/journal-samples.ts';
import { isWanted } from './filter.ts';
import { describe as describeEntry, describeInSet, table } from './report.ts';

const nowMs = 1_795_316_500_000;
const parkedAtMs = nowMs - 60_000;
const dead: FoundEntry = {
  shard: 3,
  state: 'dead',
  record: { ...parkedOf(0, 'dead'), parkedAtMs, attemptedAtMs: parkedAtMs - 1_000 },
  text: '',
};

it('wants an entry that every filter wants', () => {
  const states = new Set(['dead' as const]);
  const match = { states, reason: 'such', customer: 'cus_0', meter: 'calls', shard: 3, olderThanMs: 59_999 };
  expect(isWanted(dead, match, nowMs)).toBe(true);
  for (const other of [
    { states: new Set(['in_doubt' as const]) },
    { reason: 'archived' },
    { customer: 'cus_1' },
    { meter: 'seats' },
    { account: 'acct_1' },
    { shard: 0 },
    { olderThanMs: 60_000 },
    { newerThanMs: 60_000 },
  ]) {
    expect(isWanted(dead, { ...match, ...other }, nowMs)).toBe(false);
  }
});

it('lists an entry a line, with what is needed to choose', () => {
  const [head, line, ...more] = table([dead], nowMs).split('\n');
  expect(head).toMatch(/^identifier +state +for +customer +meter +value +events +reason$/);
  expect(line).toMatch(/^tm1-incarnation-000-1-token-0 +dead +60 s +cus_0 +calls +1\.5 +3 +No such customer$/);
  expect(more).toEqual([]);
});

it('tells where an entry comes from, what was answered and who decided, in order', () => {
  const parked = parkedOf(0, 'in_doubt');
  const calls = [{ atMs: 500, answer: 'unknown: timeout' }];
  const replay = replayOf({ ...parked, calls, parkedAtMs: 900 }, { by: 'alice', why: 'not there', atMs: 1_000 });
  if ('obstacle' in replay) throw new Error(replay.obstacle);
  const record = {
    ...replay,
    state: 'accepted' as const,
    reason: '',
    attemptedAtMs: 2_000,
    attempts: 1,
    parkedAtMs: 2_100,
  };
  expect(describeEntry({ shard: 0, state: 'accepted', record, text: '' }).split('\n')).toEqual([
    'tm1-incarnation-000-1-token-0-r1',
    'accepted: its replay is billed',
    '  customer cus_0, meter calls',
    '  value 1.5, counted from 3 events; the newest of 2026-11-22T03:00:00.000Z',
    '  shard 0, set 1, window from 2026-11-22T03:00:00.000Z',
    '',
    '  1970-01-01T00:00:00.007Z  tm1-incarnation-000-1-token-0 is about to be sent',
    '  1970-01-01T00:00:00.500Z  unknown: timeout',
    '  1970-01-01T00:00:00.900Z  in_doubt after 2 calls: No such customer',
    '  1970-01-01T00:00:01.000Z  replayed by alice: not there',
    '  1970-01-01T00:00:02.000Z  tm1-incarnation-000-1-token-0-r1 is about to be sent',
    '  1970-01-01T00:00:02.100Z  accepted after 1 call',
  ]);
});

it('tells of an entry that was never parked', () => {
  const { entry } = parkedOf(0, 'dead');
  expect(describeInSet({ entry, isAccepted: true })).toContain('accepted: it is billed');
  expect(describeInSet({ entry, isAccepted: false, attemptedAtMs: 7 })).toMatch(
    /pending: .*\n(.*\n)*.*about to be sent/,
  );
});
