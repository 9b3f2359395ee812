import { describe, expect, it } from 'vitest';
import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { parkedBy, ParkedLog } from './parked-log.ts';

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  let nowMs = 0;
  const troubles = new Troubles(createLog({ service: 'test', level: 'info' }, { write }), () => nowMs);
  return { troubles, log: new ParkedLog(troubles), lines, wait: (ms: number) => (nowMs += ms) };
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
  const { log, lines, wait } = setUp();
  log.parked('shard', [parked('dead', 'no_meter: a'), parked('dead', 'no_meter: b', 'cus_2')]);
  log.parked('shard', [parked('dead', 'resource_missing: No such customer')]);
  log.parked('shard', [parked('dead', 'no_meter: a')]);
  expect(lines).toMatchObject([
    {
      level: 'error',
      reason: 'dead no_meter',
      times: 2,
      entries: '2 entries of 4 events',
      customer: 'cus_2',
      said: 'no_meter: b',
      msg: expect.stringMatching(/dead.*tallyman entries/),
    },
    { level: 'error', reason: 'dead resource_missing', times: 1, entries: '1 entry of 2 events' },
  ]);
  wait(60_000);
  log.parked('shard', [parked('dead', 'no_meter: a')]);
  expect(lines[2]).toMatchObject({ reason: 'dead no_meter', times: 2 });
});

it('says of entries in doubt and deferred what they are', () => {
  const { log, lines } = setUp();
  log.parked('shard', [parked('in_doubt', 'HTTP 500, api_error: none'), parked('deferred', 'lock_timeout: later')]);
  expect(lines).toMatchObject([
    { level: 'error', reason: 'in_doubt other', msg: expect.stringMatching(/resolve/) },
    { level: 'warn', reason: 'deferred lock_timeout', msg: expect.stringMatching(/tried again/) },
  ]);
});

// "Entries fail" had no line that closed it: whoever read the log could not tell whether they still did.
describe('entries that fail', () => {
  const deferred = parked('deferred', 'lock_timeout: later');

  it('are over, in the log and the remarks, once no shard keeps any aside', () => {
    const { troubles, log, lines, wait } = setUp();
    log.noneDeferred('b');
    for (const shard of ['a', 'b', 'b']) log.parked(shard, [deferred]);
    expect(troubles.remarks).toHaveLength(1);
    log.noneDeferred('a');
    expect(lines).toHaveLength(1);
    wait(5_000);
    log.noneDeferred('b');
    expect(lines[1]).toMatchObject({
      level: 'info',
      reason: 'deferred lock_timeout',
      lastedS: 5,
      msg: expect.stringMatching(/No entry is kept aside any more/),
    });
    expect(troubles.remarks).toEqual([]);
    log.noneDeferred('b');
    expect(lines).toHaveLength(2);
  });

  it('are no success to tell of if their shard went to another consumer', () => {
    const { troubles, log, lines } = setUp();
    log.parked('a', [deferred]);
    log.left('a');
    expect(lines).toHaveLength(1);
    expect(troubles.remarks).toEqual([]);
  });
});

it('takes for parked what a write parks, and not what it only rewrites', () => {
  const [dead, deferred] = [parked('dead', 'no_meter: a'), parked('deferred', 'lock_timeout: later')];
  const identifier = dead.entry.identifier;
  const progress = { kind: 'progress', set: 1, token: 't', settled: new Map([[0, 'dead'] as const]) } as const;
  expect(parkedBy({ ...progress, parked: [dead, deferred], additions: [] })).toEqual([dead, deferred]);
  expect(parkedBy({ kind: 'settle_deferred', identifier, outcome: dead })).toEqual([dead]);
  expect(parkedBy({ kind: 'settle_deferred', identifier, outcome: deferred })).toEqual([]);
  expect(parkedBy({ kind: 'settle_deferred', identifier, outcome: 'accepted' })).toEqual([]);
});
