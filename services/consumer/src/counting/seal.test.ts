import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDecimals, formatDecimal, parseDecimal, significantDigits } from '../../../../shared/decimal/decimal.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Meter } from '../provider/provider.ts';
import { catalogOf, meter, minuteMs, usageEvent } from '../shard/testing/fixtures.ts';
import { OpenSet } from './open-set.ts';
import { sealEntries, type SetIdentity } from './seal.ts';

const identity: SetIdentity = {
  windowMs: 5 * minuteMs,
  incarnation: 'f'.repeat(32),
  shard: 7,
  set: 12,
  token: '0123456789abcdef'.repeat(2),
};
const requests = meter('requests');

/** `counted`: the meter as it was known when the events came. */
function seal(
  events: readonly UsageEvent[],
  sealed: Meter | 'unknown' = requests,
  counted: Meter | 'unknown' = sealed,
  askedAtMs = 0,
): Entry[] {
  const open = new OpenSet();
  const known = counted === 'unknown' ? undefined : counted;
  for (const event of events) open.count(event, open.laneOf(event), 5 * minuteMs, known, 0);
  const catalog = sealed === 'unknown' ? catalogOf() : catalogOf(sealed);
  return sealEntries(open.counts.values(), { ...catalog, askedAtMs }, identity);
}

function valuesOf(values: readonly string[]): UsageEvent[] {
  return values.map((value) => usageEvent({ value }));
}

function sumOf(values: readonly string[]): string {
  return formatDecimal(values.map((value) => parseDecimal(value)!).reduce(addDecimals, { units: 0n, scale: 0 }));
}

function sumOfEvents(entries: readonly Entry[]): number {
  return entries.reduce((sum, { events }) => sum + events, 0);
}

/** At most 15 significant digits, as validation lets through. */
const value = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 999_999_999_999_999n }), fc.integer({ min: 0, max: 20 }))
  .map(([negative, units, scale]) => formatDecimal({ units: negative ? -units : units, scale }));

describe('sealEntries', () => {
  it('bills of a sum meter exactly what was counted, in values that the provider takes', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 30 }), fc.boolean(), (values, wasKnown) => {
        const entries = seal(valuesOf(values), requests, wasKnown ? requests : 'unknown');
        expect(sumOf(entries.map((line) => line.value))).toBe(sumOf(values));
        for (const line of entries) expect(significantDigits(line.value)).toBeLessThanOrEqual(15);
        expect(sumOfEvents(entries)).toBe(values.length);
      }),
    );
  });

  it('splits a sum beyond 15 digits into entries that add up, the first of which carries the events', () => {
    const entries = seal(valuesOf(['999999999999999', '999999999999999', '0.5']));
    expect(entries.map(({ value, events }) => [value, events])).toEqual([
      ['999999999999999', 3],
      ['999999999999999', 0],
      ['0.5', 0],
    ]);
    expect(new Set(entries.map(({ identifier }) => identifier)).size).toBe(3);
  });

  it('bills a sum of zero, so that the events are accounted for', () => {
    expect(seal(valuesOf(['5', '-5']))).toMatchObject([{ value: '0', events: 2 }]);
  });

  it('adds without a float in between', () => {
    expect(seal(valuesOf(['0.1', '0.2']))).toMatchObject([{ value: '0.3' }]);
    expect(seal(valuesOf(['9007199254740', '0.000001']))).toMatchObject([
      { value: '9007199254740', events: 2 },
      { value: '0.000001', events: 0 },
    ]);
  });

  it('bills of a last meter only the newest by event time, with all the events it stands for', () => {
    const events = [
      usageEvent({ value: '1', timestamp: 100 }),
      usageEvent({ value: '2', timestamp: 200 }),
      usageEvent({ value: '3', timestamp: 150 }),
    ];
    expect(seal(events, meter('requests', 'last'))).toMatchObject([{ value: '2', timestamp: 200, events: 3 }]);
  });

  it('does not merge events of a count meter: each is an entry with its own time', () => {
    const events = [usageEvent({ value: '4', timestamp: 100 }), usageEvent({ value: '4', timestamp: 50.5 })];
    expect(seal(events, meter('requests', 'count'))).toMatchObject([
      { value: '4', timestamp: 100, events: 1 },
      { value: '4', timestamp: 50, events: 1 },
    ]);
  });

  describe('of a meter that became known while the set was open', () => {
    const events = [
      usageEvent({ value: '1', timestamp: 100 }),
      usageEvent({ value: '7', timestamp: 200 }),
      usageEvent({ value: '3', timestamp: 200 }),
      usageEvent({ value: '5', timestamp: 150 }),
    ];

    it('adds up if it is a sum meter', () => {
      expect(seal(events, requests, 'unknown')).toMatchObject([{ value: '16', timestamp: 200, events: 4 }]);
    });

    it('keeps the newest if it is a last meter', () => {
      expect(seal(events, meter('requests', 'last'), 'unknown')).toMatchObject([
        { value: '3', timestamp: 200, events: 4 },
      ]);
    });

    it('keeps every event if it is a count meter', () => {
      expect(seal(events, meter('requests', 'count'), 'unknown')).toHaveLength(4);
    });

    it.each(['sum', 'last', 'count'] as const)('bills the same as if the %s meter had been known', (formula) => {
      const known = meter('requests', formula);
      expect(seal(events, known, 'unknown')).toEqual(seal(events, known, known));
    });
  });

  describe('is dead from the start', () => {
    it('where the provider has no such meter, in one line that tells how much', () => {
      expect(seal(valuesOf(['1', '2.5']), 'unknown')).toMatchObject([
        { value: '3.5', events: 2, refusal: 'no_meter: the provider has no meter named requests' },
      ]);
    });

    it.each(['hour', 'day'] as const)('where the meter overwrites what it got in the same %s', (eventTimeWindow) => {
      for (const formula of ['sum', 'last', 'count'] as const) {
        const entries = seal(valuesOf(['1', '2']), meter('requests', formula, { eventTimeWindow }));
        expect(entries).toMatchObject([
          { events: 2, refusal: expect.stringMatching(/^meter_has_event_time_window: .*each (hour|day)/) },
        ]);
      }
    });

    it('where the meter has gone since the events were counted', () => {
      expect(seal(valuesOf(['1']), 'unknown', requests)).toMatchObject([
        { value: '1', refusal: expect.stringMatching(/^no_meter/) },
      ]);
    });
  });

  // Entries were bound to the name of a meter only: when the name got a meter with another formula, what had been merged for the
  // first was sent to the second.
  describe('binds merged events to the meter that they were merged for', () => {
    const before = meter('requests', 'sum', { id: 'mtr_1' });
    const anew = meter('requests', 'last', { id: 'mtr_2', namesakes: [{ id: 'mtr_1', formula: 'sum' }] });
    const values = valuesOf(['10', '20', '30']);

    it('when its name got another one while the set was open', () => {
      expect(seal(values, anew, before)).toMatchObject([{ value: '60', events: 3, meterId: 'mtr_1' }]);
      expect(seal(values, before, anew)).toMatchObject([{ value: '30', events: 3, meterId: 'mtr_2' }]);
    });

    it('and merges no event of one formula with those of another', () => {
      const open = new OpenSet();
      for (const known of [before, anew, before, anew, undefined, undefined])
        for (const event of values) open.count(event, open.laneOf(event), 5 * minuteMs, known, 0);
      const entries = sealEntries(open.counts.values(), { ...catalogOf(anew), askedAtMs: 0 }, identity);
      expect(entries.map(({ value: billed, events, meterId }) => [billed, events, meterId])).toEqual([
        ['120', 6, 'mtr_1'],
        ['30', 6, 'mtr_2'],
        ['30', 6, 'mtr_2'],
      ]);
    });

    it('whatever its list says when it is sealed, and every part of a sum that is cut in two', () => {
      const long = valuesOf(['999999999999999', '0.0001', '1']);
      expect(seal(long, before, 'unknown').map(({ meterId }) => meterId)).toEqual(['mtr_1', 'mtr_1']);
    });

    it('but not a single event, which is right for any meter of its name', () => {
      expect(seal(valuesOf(['10']), before)[0]).not.toHaveProperty('meterId');
      for (const line of seal(values, meter('requests', 'count', { id: 'mtr_3' })))
        expect(line).not.toHaveProperty('meterId');
    });

    it('and so the last value of a refused meter is not taken for a sum later', () => {
      expect(seal(values, 'unknown', anew)).toMatchObject([
        { value: '30', refusal: expect.stringMatching(/^no_meter/), meterId: 'mtr_2' },
      ]);
      expect(seal(values, 'unknown', before)[0]).not.toHaveProperty('meterId');
    });
  });

  it('carries what the provider is told, and nothing that is absent', () => {
    const [bare] = seal([usageEvent({ timestamp: 1_000.9 })]);
    expect(bare).toEqual({
      identifier: `tm1-${'f'.repeat(32)}-007-12-01234567-0`,
      customer: 'cus_1',
      meter: 'requests',
      value: '1',
      timestamp: 1_000,
      windowStartMs: 900_000,
      events: 1,
    });
    const said = { account: 'acct_1', dimensions: { region: 'eu' } };
    expect(seal([usageEvent(said)])).toMatchObject([said]);
  });

  it.each([
    { newest: 1_000.999, timestamp: 1_000 },
    { newest: -0.5, timestamp: -1 },
  ])('rounds the newest event time $newest down to $timestamp', ({ newest, timestamp }) => {
    expect(seal([usageEvent({ timestamp: newest })])).toMatchObject([{ timestamp }]);
  });

  it('never leaves its window by rounding', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 4e12 }), (timestampMs) => {
        const [line] = seal([usageEvent({ timestamp: timestampMs / 1000 })]);
        expect(line!.timestamp * 1000).toBeGreaterThanOrEqual(line!.windowStartMs);
        expect(line!.timestamp * 1000).toBeLessThan(line!.windowStartMs + 5 * minuteMs);
      }),
    );
  });

  it('gives every entry another identifier, of 100 characters at most even for the largest numbers', () => {
    const open = new OpenSet();
    for (let customer = 0; customer < 20_000; customer++) {
      const event = usageEvent({ customer: `cus_${customer}` });
      open.count(event, open.laneOf(event), minuteMs, requests, 0);
    }
    const largest = { ...identity, shard: 63, set: 9_999_999_999 };
    const identifiers = sealEntries(open.counts.values(), catalogOf(requests), largest).map((line) => line.identifier);
    expect(new Set(identifiers).size).toBe(20_000);
    expect(Math.max(...identifiers.map(({ length }) => length))).toBeLessThanOrEqual(100);
  });

  // The lists of several accounts are waited for one after the other: the first of them was a second old when the last one came, and an event
  // that had come in between was refused, though its meter had been made in that second.
  it('keeps events apart, and refuses none, if the list of meters is from before the first of them', () => {
    const events = [usageEvent({ value: '1.5' }), usageEvent({ value: '2', timestamp: usageEvent().timestamp + 1 })];
    const lines = seal(events, 'unknown', 'unknown', -1).map(({ value, events: count, refusal }) => [
      value,
      count,
      refusal,
    ]);
    expect(lines).toEqual([
      ['1.5', 1, undefined],
      ['2', 1, undefined],
    ]);
  });

  it('names the window of an entry only if it is not as configured', () => {
    const open = new OpenSet();
    const events = [5, 10].map((minutes) => [usageEvent(), minutes * minuteMs] as const);
    for (const [event, windowMs] of events) open.count(event, open.laneOf(event), windowMs, requests, 0);
    const sealed = sealEntries(open.counts.values(), catalogOf(requests), identity);
    expect(sealed.map(({ windowMs, events: count }) => [windowMs, count])).toEqual([
      [undefined, 1],
      [10 * minuteMs, 1],
    ]);
  });

  it.each([{ incarnation: 'e'.repeat(32) }, { shard: 8 }, { set: 13 }, { token: 'fedcba9876543210'.repeat(2) }])(
    'gives other identifiers to another %o',
    (other) => {
      const identifierOf = (owner: SetIdentity) => {
        const open = new OpenSet();
        open.count(usageEvent(), open.laneOf(usageEvent()), minuteMs, requests, 0);
        return sealEntries(open.counts.values(), catalogOf(requests), owner)[0]?.identifier;
      };
      expect(identifierOf({ ...identity, ...other })).not.toBe(identifierOf(identity));
    },
  );
});
