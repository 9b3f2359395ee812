import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDecimals, formatDecimal, parseDecimal, significantDigits } from '../../../../shared/decimal/decimal.ts';
import type { Addition, ParkedEntry, ReadRecord } from '../../../../shared/journal/journal.ts';
import { areDimensionsLeftOut, areTimesLeftOut, replayObstacle } from '../meters/refusals.ts';
import { mayReturn } from '../replay/awaited-meters.ts';
import { entry, hourMs, meter, metersOf, minuteMs, startRedisMs } from '../shard/testing/fixtures.ts';
import { addUp, isAddable, sumKeys, type SumLimits } from './refused-sums.ts';

const limits: SumLimits = { windowMs: 5 * minuteMs, windowMaxMs: hourMs, apartMax: 3, parkedMax: 10 };
const dayMs = 24 * hourMs;
const refusal = 'no_meter: the provider has no meter named requests';
let made = 0;

function refused(said: Partial<ParkedEntry['entry']> = {}, parkedAtMs = startRedisMs): ParkedEntry {
  const dead = entry({ identifier: `entry-${made++}`, refusal, ...said });
  return { entry: dead, state: 'dead', reason: dead.refusal ?? '', attempts: 0, parkedAtMs, set: 1 };
}

/** What a journal holds, with writes as the real one carries them out. */
class Journal {
  readonly parked = new Map<string, ParkedEntry>();
  readonly keys = new Map<string, string>();
  /** As full as this besides. */
  others = 0;

  tell(records: readonly ParkedEntry[], meanwhile: () => void = () => {}): readonly Addition[] {
    const sums = new Map<string, ReadRecord>();
    for (const key of sumKeys(records, limits)) {
      const record = this.parked.get(this.keys.get(key) ?? '');
      if (record !== undefined) sums.set(key, { record, text: JSON.stringify(record) });
    }
    const { apart, additions } = addUp(records, { parked: this.parked.size + this.others, sums }, limits);
    meanwhile();
    for (const record of apart) this.parked.set(record.entry.identifier, record);
    for (const { key, to, own } of additions) {
      const identifier = to?.record.entry.identifier ?? '';
      if (to !== undefined && JSON.stringify(this.parked.get(identifier)) === to.text) {
        this.parked.set(identifier, to.sum);
      } else {
        this.parked.set(own.entry.identifier, own);
        this.keys.set(key, own.entry.identifier);
      }
    }
    return additions;
  }

  get entries(): ParkedEntry['entry'][] {
    return [...this.parked.values()].map((record) => record.entry);
  }
}

function amountOf(list: readonly ParkedEntry['entry'][]): string {
  const sum = list.map(({ value }) => parseDecimal(value)!).reduce(addDecimals, { units: 0n, scale: 0 });
  return `${formatDecimal(sum)} of ${list.reduce((events, one) => events + one.events, 0)}`;
}

// A misspelt meter left one entry per customer and window with every set, for as long as nobody looked.
describe('what was never sent', () => {
  it('stays apart while few entries are parked', () => {
    const journal = new Journal();
    expect(journal.tell([refused(), refused(), refused()])).toEqual([]);
    expect(journal.parked.size).toBe(3);
    expect(journal.tell([refused()])).toHaveLength(1);
  });

  it('is added to what is parked of its customer, meter, hour and dimensions, set after set', () => {
    const journal = new Journal();
    journal.others = 3;
    const minutes = [0, 5, 55, 60];
    for (let set = 0; set < 10; set++)
      journal.tell(
        minutes.map((minute) =>
          refused({
            windowStartMs: startRedisMs + minute * minuteMs,
            timestamp: startRedisMs / 1000 + minute * 60 + set,
          }),
        ),
      );
    expect(journal.entries).toMatchObject([
      {
        value: '30',
        events: 30,
        windowStartMs: startRedisMs,
        windowMs: hourMs,
        timestamp: startRedisMs / 1000 + 55 * 60 + 9,
        refusal,
      },
      { value: '10', events: 10, windowStartMs: startRedisMs + hourMs },
    ]);
    journal.tell([
      refused({ dimensions: { region: 'a' } }),
      refused({ customer: 'cus_2' }),
      refused({ account: 'acct_1' }),
    ]);
    expect(journal.parked.size).toBe(5);
  });

  it('is added up by the day beyond a number of parked entries, and loses its dimensions only if they differ', () => {
    const journal = new Journal();
    journal.others = 10;
    const regions = ['a', 'a', 'b'];
    for (const [hour, region] of regions.entries())
      journal.tell([refused({ windowStartMs: startRedisMs + hour * hourMs, dimensions: { region } })]);
    const [sum, ...others] = journal.entries;
    expect(others).toEqual([]);
    expect(sum).toMatchObject({ value: '3', windowMs: dayMs });
    expect(areDimensionsLeftOut(sum!)).toBe(true);
    expect(replayObstacle(sum!, metersOf(meter('requests')))).toMatch(/^dimensions_were_left_out/);
    const alike = new Journal();
    alike.others = 10;
    for (let hour = 0; hour < 3; hour++)
      alike.tell([refused({ windowStartMs: startRedisMs + hour * hourMs, dimensions: { region: 'a' } })]);
    expect(alike.entries).toMatchObject([{ value: '3', dimensions: { region: 'a' }, refusal }]);
    expect(mayReturn([...alike.parked.values()][0]!)).toBe(true);
  });

  it('keeps one entry per customer and meter beyond twice as many, which only a person has replayed', () => {
    const journal = new Journal();
    journal.others = 20;
    for (let day = 0; day < 10; day++) journal.tell([refused({ windowStartMs: startRedisMs - day * dayMs })]);
    expect(journal.parked.size).toBeLessThanOrEqual(2);
    expect(amountOf(journal.entries)).toBe('10 of 10');
    const sum = [...journal.parked.values()].find((record) => areTimesLeftOut(record.entry))!;
    expect(mayReturn(sum)).toBe(false);
    expect(replayObstacle(sum.entry, metersOf(meter('requests')))).toBeUndefined();
  });

  it('is parked by itself when somebody decided about what it is added to, and is what the next ones are added to', () => {
    const journal = new Journal();
    journal.others = 3;
    journal.tell([refused({ identifier: 'first' })]);
    const [addition] = journal.tell([refused({ identifier: 'second' })], () => journal.parked.delete('first'));
    expect(addition?.to?.sum).toMatchObject({ entry: { identifier: 'first', value: '2' } });
    journal.tell([refused({ identifier: 'third' })]);
    expect(journal.entries).toMatchObject([{ identifier: 'second', value: '2', events: 2 }]);
  });

  it('is added to nothing that may have been sent, and no last value is added to anything', () => {
    const dead = refused();
    expect(isAddable(dead)).toBe(true);
    expect(isAddable({ ...dead, attempts: 1 })).toBe(false);
    expect(isAddable({ ...dead, state: 'in_doubt' })).toBe(false);
    expect(isAddable({ ...dead, history: [] })).toBe(false);
    expect(isAddable({ ...dead, reason: 'archived_meter: it is' })).toBe(false);
    expect(isAddable(refused({ meterId: 'mtr_1' }))).toBe(false);
  });

  it('takes the newest time of parking, so that a list from before the newest refusal replays none of it', () => {
    const journal = new Journal();
    journal.others = 3;
    journal.tell([refused({}, startRedisMs + 7)]);
    journal.tell([refused({}, startRedisMs + 9)]);
    journal.tell([refused({}, startRedisMs + 8)]);
    expect([...journal.parked.values()]).toMatchObject([{ parkedAtMs: startRedisMs + 9 }]);
  });

  it('keeps amounts and events of each customer and meter to the last digit, whatever is decided meanwhile', () => {
    const some = fc.record({
      customer: fc.constantFrom('cus_1', 'cus_2'),
      value: fc.oneof(
        fc.bigInt({ min: -999_999_999_999_999n, max: 999_999_999_999_999n }).map(String),
        fc.constantFrom('0.1', '1', '0.000000123'),
      ),
      step: fc.integer({ min: -600, max: 600 }),
      dimensions: fc.constantFrom(undefined, { a: '1' }, { a: '1', b: '2' }, { b: '2', a: '1' }),
      events: fc.integer({ min: 0, max: 5 }),
    });
    const set = fc.record({ list: fc.array(some, { maxLength: 12 }), decided: fc.option(fc.nat({ max: 30 })) });
    fc.assert(
      fc.property(fc.array(set, { maxLength: 8 }), fc.constantFrom(0, 3, 10, 20), (sets, others) => {
        const journal = new Journal();
        journal.others = others;
        const decided: ParkedEntry['entry'][] = [];
        const all: ParkedEntry['entry'][] = [];
        for (const { list, decided: which } of sets) {
          const records = list.map(({ dimensions, step, ...said }) =>
            refused({
              ...said,
              windowStartMs: startRedisMs + step * 5 * minuteMs,
              timestamp: (startRedisMs + step * 5 * minuteMs) / 1000,
              ...(dimensions === undefined ? {} : { dimensions }),
            }),
          );
          all.push(...records.map((record) => record.entry));
          journal.tell(records, () => {
            const [identifier, gone] = [...journal.parked][which ?? 99] ?? [];
            if (identifier === undefined || gone === undefined) return;
            journal.parked.delete(identifier);
            decided.push(gone.entry);
          });
        }
        for (const line of journal.entries) {
          expect(significantDigits(line.value)).toBeLessThanOrEqual(15);
          const { windowMs = limits.windowMs, windowStartMs, timestamp } = line;
          expect(windowStartMs % windowMs).toBe(0);
          expect(timestamp * 1000 - windowStartMs).toBeGreaterThanOrEqual(0);
          expect(timestamp * 1000 - windowStartMs).toBeLessThan(windowMs);
        }
        for (const customer of ['cus_1', 'cus_2']) {
          const of = (from: readonly ParkedEntry['entry'][]) => from.filter((one) => one.customer === customer);
          expect(amountOf(of([...journal.entries, ...decided]))).toBe(amountOf(of(all)));
        }
      }),
    );
  });
});
