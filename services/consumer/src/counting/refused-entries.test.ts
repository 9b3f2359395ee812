import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDecimals, formatDecimal, parseDecimal, significantDigits } from '../../../../shared/decimal/decimal.ts';
import { areDimensionsLeftOut, replayObstacle } from '../meters/refusals.ts';
import { entry, meter, metersOf, minuteMs, startRedisMs } from '../shard/testing/fixtures.ts';
import { type Draft, mergeRefused, type RefusedLimits } from './refused-entries.ts';

const limits: RefusedLimits = { apartMax: 3, windowMaxMs: 60 * minuteMs, windowMs: 5 * minuteMs };
const refusal = 'no_meter: the provider has no meter named requests';

function draft(said: Partial<Draft> = {}): Draft {
  const { identifier: _, ...rest } = entry({ refusal, ...said });
  return rest;
}

function sumOf(drafts: readonly Draft[]): string {
  return formatDecimal(drafts.map(({ value }) => parseDecimal(value)!).reduce(addDecimals, { units: 0n, scale: 0 }));
}

// One misspelt meter left 100,000 entries in four seconds, each half a kilobyte in Redis until somebody decided about it.
describe('entries that are dead from the start', () => {
  it('stay apart while a set has few', () => {
    const few = [draft({ windowStartMs: startRedisMs + 5 * minuteMs }), draft(), draft()];
    expect(mergeRefused(few, limits)).toBe(few);
  });

  it('are merged per hour when it has many, with the newest time and in the longest window', () => {
    const many = [0, 5, 10, 55, 60].map((minute) =>
      draft({
        windowStartMs: startRedisMs + minute * minuteMs,
        timestamp: startRedisMs / 1000 + minute * 60,
        value: '0.1',
      }),
    );
    expect(mergeRefused(many, limits)).toEqual([
      draft({
        windowStartMs: startRedisMs,
        windowMs: 60 * minuteMs,
        timestamp: startRedisMs / 1000 + 55 * 60,
        value: '0.4',
        events: 4,
      }),
      many[4],
    ]);
  });

  it('lose their dimensions only if there are still too many, say so, and are not replayed then', () => {
    const many = Array.from({ length: 100 }, (_, index) => draft({ dimensions: { request: `r${index}` } }));
    const [merged, ...others] = mergeRefused(many, limits);
    expect(others).toEqual([]);
    expect(merged).toMatchObject({ value: '100', events: 100, customer: 'cus_1', meter: 'requests' });
    expect(merged).not.toHaveProperty('dimensions');
    expect(merged?.refusal).toMatch(/^no_meter: /);
    expect(replayObstacle(merged!, metersOf(meter('requests')))).toMatch(/^dimensions_were_left_out/);
    const alike = many.map((one) => ({ ...one, dimensions: { region: 'a' } }));
    const [kept] = mergeRefused(alike, limits);
    expect(kept).toMatchObject({ value: '100', dimensions: { region: 'a' } });
    expect(replayObstacle(kept!, metersOf(meter('requests')))).toBeUndefined();
  });

  it('keep amounts and events of each customer and meter to the last digit, in values that the provider takes', () => {
    const some = fc.record({
      customer: fc.constantFrom('cus_1', 'cus_2'),
      meter: fc.constantFrom('requests', 'tokens'),
      value: fc.bigInt({ min: -999_999_999_999_999n, max: 999_999_999_999_999n }).map(String),
      windowStartMs: fc.integer({ min: 0, max: 30 }).map((step) => startRedisMs + step * 5 * minuteMs),
      dimensions: fc.constantFrom(undefined, { a: '1' }, { a: '1', b: '2' }, { b: '2', a: '1' }),
      events: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 60 }), (list) => {
        const drafts = list.map(({ dimensions, ...said }) =>
          draft({ ...said, ...(dimensions === undefined ? {} : { dimensions }) }),
        );
        const merged = mergeRefused(drafts, limits);
        for (const line of merged) {
          expect(significantDigits(line.value)).toBeLessThanOrEqual(15);
          const { windowMs = limits.windowMs, windowStartMs } = line;
          expect(windowStartMs % windowMs).toBe(0);
        }
        for (const customer of ['cus_1', 'cus_2'])
          for (const name of ['requests', 'tokens']) {
            const of = (from: readonly Draft[]) =>
              from.filter((one) => one.customer === customer && one.meter === name);
            expect(sumOf(of(merged))).toBe(sumOf(of(drafts)));
            const events = (from: readonly Draft[]) => of(from).reduce((sum, one) => sum + one.events, 0);
            expect(events(merged)).toBe(events(drafts));
          }
        expect(merged.some(areDimensionsLeftOut)).toBe(merged.some(({ refusal: text }) => text !== refusal));
      }),
    );
  });
});
