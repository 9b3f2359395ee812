import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SequenceRanges } from './sequence-ranges.ts';

const range = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 8 }))
  .map(([from, length]) => [from, from + length] as const);

function allOf(ranges: SequenceRanges): number[] {
  return [...ranges.ranges()].flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => from + at));
}

describe('SequenceRanges', () => {
  it('holds exactly what was added, in whatever order, and nothing beside it', () => {
    fc.assert(
      fc.property(fc.array(range), (added) => {
        const ranges = new SequenceRanges();
        const model = new Set<number>();
        for (const [from, to] of added) {
          if (from === to) ranges.add(from);
          else ranges.addRange(from, to);
          for (let sequence = from; sequence <= to; sequence++) model.add(sequence);
        }
        for (let sequence = 0; sequence <= 70; sequence++) expect(ranges.has(sequence)).toBe(model.has(sequence));
        expect(allOf(ranges)).toEqual([...model].sort((left, right) => left - right));
        expect(ranges.isEmpty).toBe(model.size === 0);
      }),
    );
  });

  it('keeps ranges ascending, neither touching nor overlapping, so that they stay as few as possible', () => {
    fc.assert(
      fc.property(fc.array(range), (added) => {
        const ranges = new SequenceRanges();
        for (const [from, to] of added) ranges.addRange(from, to);
        let previousTo = -1;
        for (const [from, to] of ranges.ranges()) {
          expect(from).toBeGreaterThan(previousTo + 1);
          expect(to).toBeGreaterThanOrEqual(from);
          previousTo = to;
        }
      }),
    );
  });

  it('takes in all of another', () => {
    fc.assert(
      fc.property(fc.array(range), fc.array(range), (left, right) => {
        const ranges = new SequenceRanges();
        const other = new SequenceRanges();
        const both = new SequenceRanges();
        for (const [from, to] of left) ranges.addRange(from, to);
        for (const [from, to] of right) other.addRange(from, to);
        for (const [from, to] of [...left, ...right]) both.addRange(from, to);
        ranges.addAll(other);
        expect(ranges.toString()).toBe(both.toString());
      }),
    );
  });

  it('is read back from what it wrote', () => {
    fc.assert(
      fc.property(fc.array(range), (added) => {
        const ranges = new SequenceRanges();
        for (const [from, to] of added) ranges.addRange(from, to);
        const text = ranges.toString();
        expect(SequenceRanges.parse(text)?.toString()).toBe(text);
      }),
    );
  });

  it('writes a lone sequence as one number and joins neighbours', () => {
    const ranges = new SequenceRanges();
    for (const sequence of [511, 1, 3, 2, 502, 510]) ranges.add(sequence);
    expect(ranges.toString()).toBe('1-3,502,510-511');
  });

  it('does not take the highest sequence seen for everything below it', () => {
    const ranges = new SequenceRanges();
    ranges.add(1_000_000);
    expect(ranges.has(999_999)).toBe(false);
  });

  it('goes up to the largest safe integer', () => {
    const ranges = SequenceRanges.parse(`1-${Number.MAX_SAFE_INTEGER}`);
    expect(ranges?.has(Number.MAX_SAFE_INTEGER)).toBe(true);
  });

  it.each(['-', '1-', '-1', '1,', ',1', '2-1', 'x', '1 2', '1;2', '1.5', '1-2-3', '9007199254740993'])(
    'refuses the text %j instead of guessing',
    (text) => {
      expect(SequenceRanges.parse(text)).toBeUndefined();
    },
  );
});
