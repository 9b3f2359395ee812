import { describe, expect, it } from 'vitest';
import { newestFormat } from '../../shared/journal/format.ts';
import type { ShardSummary } from '../../shared/journal/inspect.ts';
import { slotMap } from '../../shared/topology/slots.ts';
import { assess, duration, type Finding } from './assess.ts';
import type { Look } from './look.ts';
import { report } from './report.ts';

const nowMs = Date.UTC(2026, 11, 1, 3);
const shards = 2;

function journal(shard: number, more: Partial<ShardSummary> = {}): ShardSummary {
  return { shard, epoch: 1, next: 5, owner: 'one', cursors: 0, idSets: 0, deferred: 0, parked: 0, ...more };
}

const topology = {
  incarnation: 'ab'.repeat(16),
  format: newestFormat,
  shards,
  slots: slotMap(shards),
  createdAtMs: nowMs - 86_400_000,
  declared: true,
};
const empty = { ready: 0, consumers: 1 };
const whole: Look['found'] = {
  exchange: true,
  topology,
  queues: new Map([0, 1].map((shard) => [shard, empty])),
  journals: new Map([0, 1].map((shard) => [shard, journal(shard)])),
};
const well: Look = {
  namespace: 'tallyman',
  found: whole,
  nowMs,
  members: 2,
  unreadable: 0,
  metersReadAtMs: nowMs - 60_000,
  entries: [],
};

const worst = (look: Look, configured = shards): Finding[] =>
  assess(look, configured).filter(({ kind }) => kind !== 'well');

describe('a status', () => {
  it('of a cluster that has nothing to do is healthy, and advises nothing', () => {
    const findings = assess(well, shards);
    expect(findings.every(({ kind }) => kind === 'well')).toBe(true);
    expect(report('tallyman', findings)).toMatch(
      /^WELL\n[^]*2 consumers; 2 of 2 shards owned[^]*is healthy; nothing waits\.$/,
    );
    expect(report('tallyman', findings)).not.toContain('WHAT TO DO');
  });

  it.each<[string, Partial<Look>, Finding['kind'], RegExp, RegExp | undefined]>([
    [
      'nothing is declared',
      { found: { ...whole, exchange: false, topology: 'missing' } },
      'wrong',
      /Nothing is declared/,
      /topology/,
    ],
    [
      'Redis lost its data',
      { found: { ...whole, topology: 'missing' } },
      'wrong',
      /Redis lost its data/,
      /npm run recover/,
    ],
    [
      'the broker lost its data',
      { found: { ...whole, exchange: false } },
      'wrong',
      /broker lost its data/,
      /npm run topology/,
    ],
    [
      'a queue is gone',
      { found: { ...whole, queues: new Map([[0, empty]]) } },
      'wrong',
      /lacks queues/,
      /npm run topology/,
    ],
    [
      'it is being resharded',
      { found: { ...whole, topology: { ...topology, resharding: { phase: 'moving', to: 4 } } } },
      'wrong',
      /being given 4 shards/,
      /--reshard 4/,
    ],
    ['no consumer runs', { members: 0 }, 'wrong', /No consumer is a member/, /Start consumers/],
    [
      'a shard has no owner',
      { found: { ...whole, journals: new Map([[0, journal(0)]]) } },
      'waiting',
      /1 of 2 shards owned/,
      undefined,
    ],
    [
      'messages wait',
      {
        found: {
          ...whole,
          queues: new Map([
            [0, { ready: 3, consumers: 1 }],
            [1, empty],
          ]),
        },
      },
      'waiting',
      /^3 messages in 1 queue /,
      undefined,
    ],
    ['a set is on its way', pendingFor(20_000), 'waiting', /1 flush set .* committed 20 s ago/, undefined],
    ['a set is held up', pendingFor(3_600_000), 'wrong', /committed 60 min ago/, /what Stripe answers/],
    ['the meters were never read', { metersReadAtMs: undefined }, 'wrong', /never read/, /STRIPE_API_KEY/],
    ['the meters are old', { metersReadAtMs: nowMs - 7_200_000 }, 'wrong', /read 2 h ago/, /STRIPE_API_KEY/],
    [
      'messages could not be read',
      { unreadable: 1 },
      'parked',
      /^1 message that could not be read/,
      /x-tallyman-reason/,
    ],
  ])('says when %s', (_, part, kind, text, advice) => {
    const [finding, ...others] = worst({ ...well, ...part });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ kind, text: expect.stringMatching(text) as string });
    expect(finding?.advice ?? '').toMatch(advice ?? /^$/);
  });

  it('says when the number of shards is another one than configured', () => {
    expect(worst(well, 3)).toMatchObject([
      { kind: 'wrong', text: expect.stringContaining('TALLYMAN_SHARDS=2') as string },
    ]);
  });

  it('names what is parked by state and reason, with its events, and what to run', () => {
    const entries = [
      { state: 'dead', reason: 'no_meter', entries: 3, events: 40 },
      { state: 'dead', reason: 'archived_meter', entries: 1, events: 2 },
      { state: 'deferred', reason: 'server_error', entries: 1, events: 1 },
    ] as const;
    expect(worst({ ...well, entries })).toEqual([
      {
        kind: 'parked',
        text: '4 dead entries of 42 events: not billed: Stripe refused them, or they could not be sent. (3 no_meter, 1 archived_meter)',
        advice: 'npm run entries -- list --state dead',
      },
      {
        kind: 'waiting',
        text: '1 deferred entry of 1 event: kept aside and tried again by themselves. (1 server_error)',
      },
    ]);
  });
});

function pendingFor(ms: number): Partial<Look> {
  const late = journal(1, { pending: 4, writtenAtMs: nowMs - ms });
  return {
    found: {
      ...whole,
      journals: new Map([
        [0, journal(0)],
        [1, late],
      ]),
    },
  };
}

describe('a duration', () => {
  it.each([
    [-5, '0 s'],
    [119_000, '119 s'],
    [120_000, '2 min'],
    [7_200_000, '2 h'],
    [172_800_000, '2 d'],
  ])('of %i ms is %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
});
