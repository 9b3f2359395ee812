import { describe, expect, it } from 'vitest';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Entry, ParkedEntry } from '../../../../shared/journal/journal.ts';
import { checkAccount } from './account.ts';
import { amountOf, amountText } from './amount.ts';
import { Intake } from './intake.ts';
import { Losses } from './losses.ts';
import { RemadeMeters } from './remade.ts';
import { Report } from './report.ts';

const windowMs = 60_000;
const windowMaxMs = 240_000;
const dedupWindowMs = 1_000;

function event(id: string, value: string, said: Partial<UsageEvent> = {}): UsageEvent {
  return { id, customer: 'cus', meter: 'requests', value, timestamp: 1_790_000_000, ...said };
}

interface Billed {
  readonly value: string;
  readonly events: number;
  readonly timestamp?: number;
  readonly parked?: ParkedEntry['state'];
  readonly said?: Partial<Entry>;
  readonly unbilled?: true;
  readonly windowMs?: number;
  readonly windowStartMs?: number;
}

/** Events reach the broker at these times, in a message each, and this is billed: what does the checker say? */
function audit(
  reached: readonly (readonly [event: UsageEvent, atMs: number, outcome?: 'accepted'])[],
  bill: readonly Billed[],
): readonly string[] {
  const report = new Report(() => undefined);
  const intake = new Intake(report);
  reached.forEach(([sent, atMs, outcome], index) => {
    intake.sent(sent);
    intake.reached(
      { producer: 'p', slot: 0, sequence: index + 1 },
      Buffer.from(JSON.stringify({ events: [sent] })),
      atMs,
    );
    if (outcome === 'accepted') intake.accepted(sent);
  });
  const entries = bill.map((line, index): Entry => {
    const { value, events, timestamp = 1_790_000_000, windowMs: lengthMs = windowMs, said = {} } = line;
    const { windowStartMs = timestamp * 1000 - ((timestamp * 1000) % lengthMs) } = line;
    const length = line.windowMs === undefined ? {} : { windowMs: line.windowMs };
    const lane = { customer: 'cus', meter: 'requests' };
    return { identifier: String(index), ...lane, value, timestamp, windowStartMs, events, ...length, ...said };
  });
  const committed = new Map(
    entries.map((entry) => [
      entry.identifier,
      { entry, shard: 0, set: 1, token: 't', owner: 'c', markedAtMs: 0, wasSent: true, isLost: false },
    ]),
  );
  const billed = new Map(
    entries.flatMap((entry, index) => (bill[index]?.unbilled ? [] : [[entry.identifier, entry] as const])),
  );
  const parked = new Map(
    entries.flatMap((entry, index) => {
      const state = bill[index]?.parked;
      return state === undefined
        ? []
        : [[entry.identifier, { entry, state, reason: '', attempts: 1, parkedAtMs: 0, set: 1 }] as const];
    }),
  );
  const identities = intake.identities.values();
  const losses = new Losses();
  const remade = new RemadeMeters({ meters, oldListMs: 0 }, report);
  for (const entry of billed.values()) remade.billed(entry, 'last', 100);
  checkAccount(
    {
      identities,
      committed,
      billed,
      parked,
      windowMs,
      windowMaxMs,
      dedupWindowMs,
      lastMeters: new Set(),
      remade,
      losses,
    },
    report,
  );
  return report.violations;
}

const rated = (id: string, formula: 'sum' | 'last', createdAtMs: number) => ({
  meter: { id, eventName: 'rated', formula, customerKey: 'customer', valueKey: 'value' },
  createdAtMs,
});
const meters = [rated('mtr_1', 'sum', 0), rated('mtr_2', 'last', 50)];

const first = event('a', '0.1');
const second = event('b', '20000000000000.5');

describe('the account', () => {
  it('is right when every accepted event is billed once, in one entry or several', () => {
    const sent = [
      [first, 0, 'accepted'],
      [second, 0, 'accepted'],
    ] as const;
    expect(audit(sent, [{ value: '20000000000000.6', events: 2 }])).toEqual([]);
    expect(
      audit(sent, [
        { value: '0.1', events: 1 },
        { value: '20000000000000.5', events: 1 },
      ]),
    ).toEqual([]);
  });

  it.each<[claim: string, bill: Billed[]]>([
    ['an accepted event is missing', [{ value: '0.1', events: 1 }]],
    ['one is billed twice', [{ value: '20000000000000.7', events: 3 }]],
    ['the amount is not exact', [{ value: '20000000000000.60000000001', events: 2 }]],
    ['the number of events is wrong', [{ value: '20000000000000.6', events: 3 }]],
    ['it is billed to somebody else', [{ value: '20000000000000.6', events: 2, said: { customer: 'other' } }]],
    ['it is billed to another account', [{ value: '20000000000000.6', events: 2, said: { account: 'acct' } }]],
    ['it is billed under another meter', [{ value: '20000000000000.6', events: 2, said: { meter: 'tokens' } }]],
    [
      'it is billed with another dimension',
      [{ value: '20000000000000.6', events: 2, said: { dimensions: { region: 'a' } } }],
    ],
    [
      'something is billed that nobody sent',
      [
        { value: '20000000000000.6', events: 2 },
        { value: '7', events: 1 },
      ],
    ],
    ['it is billed to another window', [{ value: '20000000000000.6', events: 2, timestamp: 1_790_000_060 }]],
    ['a committed entry is gone', [{ value: '20000000000000.6', events: 2, unbilled: true }]],
    ['what is dead was billed too', [{ value: '20000000000000.6', events: 2, parked: 'dead' }]],
  ])('is wrong when %s', (_claim, bill) => {
    const sent = [
      [first, 0, 'accepted'],
      [second, 0, 'accepted'],
    ] as const;
    expect(audit(sent, bill)).not.toEqual([]);
  });

  it('may have events of one longer window in one entry, and knows that they are not of another', () => {
    // 1790000000 is 80 s into a window of four minutes.
    const late = event('late', '7', { timestamp: 1_790_000_100 });
    const beyond = event('beyond', '9', { timestamp: 1_790_000_170 });
    const sent = [
      [first, 0, 'accepted'],
      [late, 0, 'accepted'],
      [beyond, 0, 'accepted'],
    ] as const;
    const [together, apart] = [
      { value: '7.1', events: 2, timestamp: 1_790_000_100, windowMs: windowMaxMs },
      { value: '9', events: 1, timestamp: 1_790_000_170 },
    ];
    expect(audit(sent, [together, apart])).toEqual([]);
    expect(audit(sent, [{ ...together, value: '16.1', events: 3 }])).not.toEqual([]);
    expect(audit(sent, [{ ...together, windowMs: 90_000 }, apart])).not.toEqual([]);
    expect(audit(sent, [{ ...together, windowMs: 2 * windowMaxMs }, apart])).not.toEqual([]);
    expect(audit(sent, [{ ...together, windowStartMs: 1_790_000_000_000 }, apart])).not.toEqual([]);
    expect(audit(sent, [{ ...together, timestamp: 1_790_000_161 }, apart])).not.toEqual([]);
  });

  it('leaves open whether what was never answered with 202 is billed, but not how often', () => {
    expect(audit([[first, 0]], [])).toEqual([]);
    expect(audit([[first, 0]], [{ value: '0.1', events: 1 }])).toEqual([]);
    expect(audit([[first, 0]], [{ value: '0.2', events: 2 }])).not.toEqual([]);
  });

  it('has one event for two messages within the dedup window, and may have two beyond it', () => {
    const twice = [{ value: '0.2', events: 2 }];
    expect(
      audit(
        [
          [first, 0, 'accepted'],
          [first, dedupWindowMs, 'accepted'],
        ],
        twice,
      ),
    ).not.toEqual([]);
    expect(
      audit(
        [
          [first, 0, 'accepted'],
          [first, dedupWindowMs + 1, 'accepted'],
        ],
        twice,
      ),
    ).toEqual([]);
    expect(
      audit(
        [
          [first, 0, 'accepted'],
          [first, dedupWindowMs + 1, 'accepted'],
        ],
        [{ value: '0.1', events: 1 }],
      ),
    ).toEqual([]);
  });

  it('counts what the journal keeps for a person, in doubt and billed or not, once', () => {
    const sent = [[first, 0, 'accepted']] as const;
    expect(audit(sent, [{ value: '0.1', events: 1, parked: 'dead', unbilled: true }])).toEqual([]);
    expect(audit(sent, [{ value: '0.1', events: 1, parked: 'in_doubt', unbilled: true }])).toEqual([]);
    expect(audit(sent, [{ value: '0.1', events: 1, parked: 'in_doubt' }])).toEqual([]);
  });
});

describe('amounts of the checker', () => {
  it.each(['0', '1', '-1', '0.1', '-0.00000000012', '999999999999999', '123456789012345.123456789012345'])(
    'keep %s',
    (text) => {
      expect(amountText(amountOf(text))).toBe(text);
    },
  );

  it('add up exactly', () => {
    expect(amountText(amountOf('0.1') + amountOf('0.2'))).toBe('0.3');
  });

  it('is wrong when the sum of events is billed by a meter that keeps the last value, and right when it is each of them', () => {
    const [a, b] = [
      event('a', '123456', { meter: 'rated' }),
      event('b', '654321', { meter: 'rated', timestamp: 1_790_000_001 }),
    ];
    const sent = [
      [a, 0, 'accepted'],
      [b, 0, 'accepted'],
    ] as const;
    const said = { meter: 'rated' };
    const timestamp = 1_790_000_001;
    expect(audit(sent, [{ value: '777777', events: 2, timestamp, said }])).toEqual([
      expect.stringMatching(/is the sum of 2 events, and was billed by a last meter/),
    ]);
    expect(audit(sent, [{ value: '654321', events: 2, timestamp, said }])).toEqual([]);
    expect(audit(sent, [{ value: '654321', events: 1, timestamp, said }])).toHaveLength(1);
    const each = [
      { value: '123456', events: 1, said },
      { value: '654321', events: 1, timestamp, said },
    ];
    expect(audit(sent, each)).toEqual([]);
  });
});
