import { expect, it } from 'vitest';
import type { FoundEntry } from '../../../shared/journal/entry-book.ts';
import type { Entry } from '../../../shared/journal/journal.ts';
import { replayOf } from '../../../shared/journal/replay.ts';
import { parkedOf } from '../../../shared/testing/journal-samples.ts';
import { isWanted } from './filter.ts';
import { describe as describeEntry, describeInSet, plainGroup, summaryTable, table } from './report.ts';
import { Summary } from './summary.ts';

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

// It said "Stripe refused it" of entries that were never called.
it.each([
  ['archived_meter: No active meter found', 1, 'Stripe refused it'],
  ['no_meter: the provider has no meter named x', 0, 'it was not sent'],
  ['archived_meter: calls takes no events', 0, 'it was not sent'],
  ['replay_is_a_sum: 3 events were added up', 1, 'it was not sent'],
  ['dimension_is_a_payload_key: the dimension "value"', 1, 'it was not sent'],
])('says who refused a dead entry: %s after %i calls', (reason, attempts, expected) => {
  const record = { ...parkedOf(0, 'dead'), reason, attempts };
  expect(describeEntry({ shard: 0, state: 'dead', record, text: '' })).toContain(`dead: ${expected}`);
});

it('adds up by state, reason, customer and meter, to the last digit', () => {
  const summary = new Summary();
  const add = (value: string, reason: string, said: Partial<Entry> = {}) => {
    const parked = parkedOf(0, 'dead');
    const entry = { ...parked.entry, value, ...said };
    summary.add({ shard: 0, state: 'dead', record: { ...parked, entry, reason, parkedAtMs: 1_000 }, text: '' });
  };
  for (const value of ['0.1', '0.2', '99999999999999.9']) add(value, 'no_meter: the provider has no meter named calls');
  add('5', 'no_meter: the provider has no meter named cals', { meter: 'cals' });
  add('7', 'archived_meter: it is archived', { account: 'acct_1' });
  expect(summary.entries).toBe(5);
  expect(summaryTable(summary.groups, 61_000).split('\n')).toEqual([
    'state  reason          account  customer  meter  entries  events              value  for',
    'dead   no_meter                 cus_0     calls        3       9  100000000000000.2  60 s',
    'dead   no_meter                 cus_0     cals         1       3                  5  60 s',
    'dead   archived_meter  acct_1   cus_0     calls        1       3                  7  60 s',
  ]);
  expect(plainGroup(summary.groups[0]!)).toMatchObject({ value: '100000000000000.2', entries: 3, events: 9 });
});

it('tells of an entry that was never parked', () => {
  const { entry } = parkedOf(0, 'dead');
  const inSet = { entry, isAccepted: false, isAddedUp: false };
  expect(describeInSet({ ...inSet, isAccepted: true })).toContain('accepted: it is billed');
  expect(describeInSet({ ...inSet, attemptedAtMs: 7 })).toMatch(/pending: .*\n(.*\n)*.*about to be sent/);
  expect(describeInSet({ ...inSet, isAddedUp: true })).toMatch(
    /^.*\ndead: it was never sent, .* list --customer 'cus_0' --meter 'calls'\n/,
  );
});
