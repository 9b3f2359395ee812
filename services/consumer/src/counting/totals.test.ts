import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Meter } from '../provider/provider.ts';
import { catalogOf, entry, hourMs, meter, startRedisMs } from '../shard/testing/fixtures.ts';
import { addToTotals } from './totals.ts';

const known = catalogOf(meter('requests'), meter('level', 'last'), meter('calls', 'count'));
const meters = { ...known, connected: new Map([['acct_1', known]]) };
const hour = startRedisMs / 1000;

describe('addToTotals', () => {
  it('adds per hour, account and meter, and returns only what it changed', () => {
    const totals = new Map([
      [`${hour}//requests`, '1;10;3;2'],
      [`${hour}//tokens`, '1;1;1;1'],
    ]);
    const written = addToTotals(
      totals,
      [
        entry({ value: '0.5', events: 2 }),
        entry({ value: '-3', events: 1, windowStartMs: startRedisMs + hourMs - 1 }),
        entry({ value: '7', windowStartMs: startRedisMs + hourMs }),
        entry({ value: '2', account: 'acct_1' }),
      ],
      meters,
    );
    expect(written).toEqual(
      new Map([
        [`${hour}//requests`, '1;7.5;6;4'],
        [`${hour + 3600}//requests`, '1;7;1;1'],
        [`${hour}/acct_1/requests`, '1;2;1;1'],
      ]),
    );
  });

  it('counts in one go as in many', () => {
    const line = fc.record({
      value: fc.integer({ min: -1000, max: 1000 }).map((thousandths) => String(thousandths / 8)),
      windowStartMs: fc.integer({ min: -3, max: 3 }).map((hours) => startRedisMs + hours * 1_800_000),
      meter: fc.constantFrom('requests', 'calls', 'level'),
      events: fc.nat(10),
    });
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const atOnce = addToTotals(new Map(), lines.map(entry), meters);
        let oneByOne = new Map<string, string>();
        for (const said of lines) oneByOne = new Map([...oneByOne, ...addToTotals(oneByOne, [entry(said)], meters)]);
        expect(oneByOne).toEqual(atOnce);
      }),
    );
  });

  it('does not add up values of a last meter, only their events', () => {
    const totals = addToTotals(new Map(), [entry({ meter: 'level', value: '5', events: 3 })], meters);
    expect(addToTotals(totals, [entry({ meter: 'level', value: '6', events: 2 })], meters)).toEqual(
      new Map([[`${hour}//level`, '1;;5;2']]),
    );
  });

  it('begins hours before 1970 where they begin', () => {
    expect([...addToTotals(new Map(), [entry({ windowStartMs: -1 })], meters).keys()]).toEqual(['-3600//requests']);
  });

  it('refuses to go on from a total that it cannot read', () => {
    expect(() => addToTotals(new Map([[`${hour}//requests`, '2;1;1;1']]), [entry()], meters)).toThrow(/cannot read/);
  });

  it('takes an entry for what it was merged by, whatever meter its name has got since', () => {
    const total = (meterId: string, ...known: readonly Meter[]) =>
      addToTotals(new Map(), [entry({ value: '60', events: 3, meterId })], catalogOf(...known)).get(
        `${hour}//requests`,
      );
    const last = meter('requests', 'last', { id: 'mtr_2', namesakes: [{ id: 'mtr_1', formula: 'sum' }] });
    const sum = meter('requests', 'sum', { id: 'mtr_1', namesakes: [{ id: 'mtr_2', formula: 'last' }] });
    expect(total('mtr_1', last)).toBe('1;60;3;1');
    expect(total('mtr_2', sum)).toBe('1;;3;1');
    expect(total('mtr_2')).toBe('1;;3;1');
  });
});
