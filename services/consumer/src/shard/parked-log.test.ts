import { expect, it } from 'vitest';
import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { parkedBy, tellParked } from './parked-log.ts';

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  let nowMs = 0;
  const troubles = new Troubles(createLog({ service: 'test', level: 'info' }, { write }), () => nowMs);
  return { troubles, lines, wait: (ms: number) => (nowMs += ms) };
}

function parked(state: ParkedEntry['state'], reason: string, customer = 'cus_1'): ParkedEntry {
  return {
    entry: {
      identifier: `tm1-i-000-1-t-${customer}`,
      customer,
      meter: 'requests',
      value: '3',
      timestamp: 1_800_000_000,
      windowStartMs: 1_799_999_700_000,
      events: 2,
    },
    state,
    reason,
    attempts: 1,
    parkedAtMs: 1_800_000_100_000,
    set: 1,
  };
}

// Entries died by the hundred, and the log had no line of it.
it('says once per reason and minute that entries died, with one of them', () => {
  const { troubles, lines, wait } = setUp();
  tellParked(troubles, [parked('dead', 'no_meter: a'), parked('dead', 'no_meter: b', 'cus_2')]);
  tellParked(troubles, [parked('dead', 'resource_missing: No such customer')]);
  tellParked(troubles, [parked('dead', 'no_meter: a')]);
  expect(lines).toMatchObject([
    {
      level: 'error',
      reason: 'dead no_meter',
      times: 2,
      entries: '2 entries of 4 events',
      customer: 'cus_2',
      said: 'no_meter: b',
      msg: expect.stringMatching(/dead.*npm run entries/),
    },
    { level: 'error', reason: 'dead resource_missing', times: 1, entries: '1 entry of 2 events' },
  ]);
  wait(60_000);
  tellParked(troubles, [parked('dead', 'no_meter: a')]);
  expect(lines[2]).toMatchObject({ reason: 'dead no_meter', times: 2 });
});

it('says of entries in doubt and deferred what they are, and has no remark that would stay', () => {
  const { troubles, lines } = setUp();
  tellParked(troubles, [parked('in_doubt', 'HTTP 500, api_error: none'), parked('deferred', 'lock_timeout: later')]);
  expect(lines).toMatchObject([
    { level: 'error', reason: 'in_doubt other', msg: expect.stringMatching(/resolve/) },
    { level: 'warn', reason: 'deferred lock_timeout', msg: expect.stringMatching(/tried again/) },
  ]);
  expect(troubles.remarks).toEqual([]);
});

it('takes for parked what a write parks, and not what it only rewrites', () => {
  const [dead, deferred] = [parked('dead', 'no_meter: a'), parked('deferred', 'lock_timeout: later')];
  const identifier = dead.entry.identifier;
  expect(
    parkedBy({ kind: 'progress', set: 1, token: 't', settled: new Map([[0, 'dead']]), parked: [dead, deferred] }),
  ).toEqual([dead, deferred]);
  expect(parkedBy({ kind: 'settle_deferred', identifier, outcome: dead })).toEqual([dead]);
  expect(parkedBy({ kind: 'settle_deferred', identifier, outcome: deferred })).toEqual([]);
  expect(parkedBy({ kind: 'settle_deferred', identifier, outcome: 'accepted' })).toEqual([]);
});
