import { describe, expect, it } from 'vitest';
import { remarksOf } from '../../../services/consumer/src/dispatch/dispatch-log.ts';
import type { ConsumerView } from '../../../services/consumer/src/view/stored-view.ts';
import { newestFormat } from '../../../shared/journal/format.ts';
import type { ShardSummary } from '../../../shared/journal/inspect.ts';
import { slotMap } from '../../../shared/topology/slots.ts';
import { entriesCommand } from '../entries.ts';
import type { EntriesCommand } from '../entries/options.ts';
import { attempt, wordsOf } from '../testing/attempt.ts';
import { assess } from './assess.ts';
import { type Finding, needsPerson } from './finding.ts';
import type { Look } from './look.ts';
import { parseInfo } from './redis-info.ts';
import { report } from './report.ts';
import { duration } from './words.ts';

// Of Redis 7, with what status does not need left out.
const info = [
  '# Memory\r\nused_memory:1048576\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nmem_not_counted_for_evict:8',
  '# Persistence\r\nloading:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:1\r\naof_last_write_status:ok',
  '# Replication\r\nrole:master\r\n',
].join('\r\n\r\n');

function view(member: string, more: Partial<ConsumerView> = {}): ConsumerView {
  const none = { reasons: [], remarks: [], messagesHeld: 0, eventsOpen: 0, entriesPending: 0 };
  return { consumer: `pod-${member}`, member, atMs: nowMs, ...none, ...more };
}

function infoWith(from: string, to: string): Partial<Look> {
  expect(info).toContain(from);
  return { redisInfo: parseInfo(info.replace(from, to)) };
}

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
  members: ['one', 'two'],
  views: [view('one'), view('two')],
  redisInfo: parseInfo(info),
  away: {},
  unreadable: 0,
  alarm: 'none',
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
      /tallyman recover/,
    ],
    [
      'the broker lost its data',
      { found: { ...whole, exchange: false } },
      'wrong',
      /broker lost its data/,
      /tallyman topology/,
    ],
    [
      'a queue is gone',
      { found: { ...whole, queues: new Map([[0, empty]]) } },
      'wrong',
      /lacks the queue tallyman\.shard\.001: /,
      /tallyman topology/,
    ],
    [
      'it is being resharded',
      { found: { ...whole, topology: { ...topology, resharding: { phase: 'moving', to: 4 } } } },
      'wrong',
      /being given 4 shards/,
      /--reshard 4/,
    ],
    [
      'the broker has an alarm',
      { alarm: { said: 'low on memory' } },
      'wrong',
      /alarm.*low on memory.*spools/,
      /memory and disk/,
    ],
    ['the broker confirms nothing', { alarm: 'silent' }, 'unknown', /not known/, /log/],
    ['no consumer runs', { members: [] }, 'wrong', /No consumer is a member/, /Start consumers/],
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
        advice: 'tallyman entries list --state dead',
      },
      {
        kind: 'waiting',
        text: '1 deferred entry of 1 event: kept aside and tried again by themselves. (1 server_error)',
      },
    ]);
  });

  // "Replay it once it is": which command that is, with which filter, was for the reader to find out.
  it.each(['lane_keeps_failing', 'account_not_served'])('says what to paste for what is dead as %s', async (reason) => {
    const entries = [
      { state: 'dead', reason: 'no_meter', entries: 1, events: 1 },
      { state: 'dead', reason, entries: 3, events: 7 },
    ] as const;
    const findings = worst({ ...well, entries });
    expect(findings).toHaveLength(2);
    const [finding] = findings;
    expect(finding?.text).toMatch(new RegExp(`^3 dead entries of 7 events: not sent.* \\(3 ${reason}\\)$`));
    const pasted = /tallyman entries (replay .*)$/.exec(finding?.advice ?? '')?.[1] ?? '';
    let command: EntriesCommand | undefined;
    const entering = entriesCommand((given) => {
      command = given;
      return 0;
    });
    expect(await attempt(entering, wordsOf(pasted))).toMatchObject({ code: 0 });
    expect(command).toMatchObject({ name: 'replay', action: 'replay', filter: { reason } });
  });
});

const refusedKey = 'The billing provider refuses STRIPE_API_KEY: usage waits, none is lost.';

// "healthy; nothing waits", exit 0, while Redis refused writes, the broker had an alarm, or the key was refused: status asked broker
// and Redis for what they hold, and consumers alone knew that everything stood still.
describe('what consumers see', () => {
  it('is told once, in their words, with who sees it, and needs a person', () => {
    const views = [view('one', { remarks: [refusedKey] }), view('two', { remarks: [refusedKey, refusedKey] })];
    const findings = worst({ ...well, views });
    expect(findings).toEqual([{ kind: 'wrong', text: `${refusedKey} (pod-one, pod-two)` }]);
    expect(needsPerson(findings)).toBe(true);
  });

  it('is told of one that waits to join, too', () => {
    const { member: _, ...waiting } = view('three', { remarks: [refusedKey] });
    expect(worst({ ...well, views: [...well.views, waiting] })).toEqual([
      { kind: 'wrong', text: `${refusedKey} (pod-three, no member)` },
    ]);
    expect(worst({ ...well, views: [...well.views, { ...waiting, remarks: [] }] })).toEqual([
      { kind: 'waiting', text: 'It is not a member of the cluster yet. (pod-three, no member)' },
    ]);
  });

  it.each([
    ...remarksOf(undefined, { pace: 0.5, perS: 40, lowered: undefined }, 0).map((remark) => ({
      remark,
      kind: 'waiting',
    })),
    ...remarksOf('fails', { pace: 1, perS: 80, lowered: undefined }, 0).map((remark) => ({ remark, kind: 'wrong' })),
    ...remarksOf('unauthorized', { pace: 1, perS: 80, lowered: undefined }, 0).map((remark) => ({
      remark,
      kind: 'wrong',
    })),
    ...remarksOf(undefined, { pace: 1, perS: 80, lowered: undefined }, 3).map((remark) => ({ remark, kind: 'wrong' })),
  ])('$kind: $remark', ({ remark, kind }) => {
    const views = [view('one', { remarks: [remark] }), view('two')];
    expect(worst({ ...well, views }).map((finding) => finding.kind)).toEqual([kind]);
  });

  it('is not known of a member that wrote nothing, and then nobody says that all is well', () => {
    const findings = assess({ ...well, views: [view('one')] }, shards);
    expect(findings.filter(({ kind }) => kind !== 'well')).toEqual([
      {
        kind: 'unknown',
        text: 'What 1 consumer of 2 sees is not known (two): an older version, or Redis does not take what they write.',
        advice: "Look at the consumers' /readyz",
      },
    ]);
    expect(needsPerson(findings)).toBe(true);
    expect(report('tallyman', findings)).toMatch(/\/readyz\.$/);
    expect(report('tallyman', findings)).not.toMatch(/healthy|queues are empty/);
  });

  it('is left out of one that was killed, and of its messages', () => {
    const views = [...well.views, view('killed', { remarks: [refusedKey], messagesHeld: 7 })];
    expect(worst({ ...well, views })).toEqual([]);
  });

  // "The queues are empty." of a cluster whose consumers held thousands.
  it('says what they hold, and then no queue is called empty', () => {
    const views = [
      view('one', { messagesHeld: 40, eventsOpen: 70 }),
      view('two', { messagesHeld: 2, entriesPending: 1 }),
    ];
    const findings = assess({ ...well, views }, shards);
    expect(findings.filter(({ kind }) => kind !== 'well')).toEqual([
      {
        kind: 'waiting',
        text: '42 messages are held by consumers until they are billed (70 events until the next flush, 1 entry on the way to Stripe).',
      },
    ]);
    expect(report('tallyman', findings)).not.toContain('queues are empty');
    expect(report('tallyman', assess(well, shards))).toContain('The queues are empty.');
  });
});

describe('Redis itself', () => {
  it.each<[string, Partial<Look>, RegExp]>([
    ['is full', infoWith('maxmemory:0', 'maxmemory:1'), /memory is full .*refuses writes/],
    ['is nearly full', infoWith('maxmemory:0', 'maxmemory:1100000'), /nearly full \(1\.0 of 1\.0 MiB\)/],
    ['may evict', infoWith('noeviction', 'allkeys-lru'), /may evict.*allkeys-lru/],
    ['is a replica', infoWith('role:master', 'role:slave'), /is a replica/],
    ['has no append-only file', infoWith('aof_enabled:1', 'aof_enabled:0'), /no append-only file/],
    ['cannot write', infoWith('aof_last_write_status:ok', 'aof_last_write_status:err'), /could not write/],
    ['cannot save', infoWith('rdb_last_bgsave_status:ok', 'rdb_last_bgsave_status:err'), /could not write/],
  ])('%s', (_, part, text) => {
    expect(worst({ ...well, ...part })).toEqual([
      { kind: 'wrong', text: expect.stringMatching(text) as string, advice: expect.any(String) as string },
    ]);
  });

  it.each<[string, Partial<Look>]>([
    ['has room', infoWith('maxmemory:0', 'maxmemory:1300000')],
    ['does not tell', { redisInfo: undefined }],
    ['tells nothing that is known', { redisInfo: parseInfo('') }],
    ['is durable by other means', infoWith('aof_enabled:1', 'aof_enabled:0\r\nos:Amazon MemoryDB')],
  ])('that %s is not wrong', (_, part) => {
    expect(worst({ ...well, ...part })).toEqual([]);
  });
});

describe('of one that does not answer', () => {
  const queues = new Map([[0, { ready: 3, consumers: 0 }]]);

  it('the broker, the other is told nevertheless, and nothing that only the broker knows', () => {
    const found = { ...whole, exchange: false, queues: new Map() };
    const views = [view('one', { remarks: [refusedKey] }), view('two')];
    const findings = assess({ ...well, found, views, away: { broker: 'The broker is away.' } }, shards);
    expect(findings.map(({ text }) => text)).toEqual([
      'The broker is away.',
      '2 consumers; 2 of 2 shards owned.',
      `${refusedKey} (pod-one)`,
      "Stripe's meters were read 60 s ago.",
    ]);
  });

  it('Redis, likewise', () => {
    const found = { exchange: true, topology: 'missing', queues, journals: new Map() } as const;
    const away = { redis: 'Redis is away.' };
    const findings = assess({ ...well, found, members: [], views: [], metersReadAtMs: undefined, away }, shards);
    expect(findings).toEqual([
      { kind: 'wrong', text: 'Redis is away.' },
      { kind: 'waiting', text: '3 messages in 1 queue for a consumer to take.' },
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
