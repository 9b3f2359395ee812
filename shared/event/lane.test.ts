import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import vectors from './lane-vectors.json' with { type: 'json' };
import { fnv1a, laneName, slotCount, slotOf } from './lane.ts';

describe('slots', () => {
  it.each(vectors)('$customer $meter is of slot $slot', ({ hash, slot, ...lane }) => {
    expect(fnv1a(laneName(lane))).toBe(hash);
    expect(slotOf(lane)).toBe(slot);
  });

  it('computes the slot from the parts as from the name', () => {
    const part = fc.string({ unit: fc.constantFrom('a', '~', '\u0080', 'é', '€', '😀'), minLength: 1 });
    fc.assert(
      fc.property(part, part, fc.option(part, { nil: undefined }), (customer, meter, account) => {
        const lane = { customer, meter, ...(account === undefined ? {} : { account }) };
        expect(slotOf(lane)).toBe(fnv1a(laneName(lane)) % slotCount);
      }),
    );
  });

  it('hashes as FNV-1a is published', () => {
    expect(fnv1a('')).toBe(0x811c9dc5);
    expect(fnv1a('a')).toBe(0xe40c292c);
    expect(fnv1a('foobar')).toBe(0xbf9cf968);
  });

  it('puts an absent account and an empty one into the same lane', () => {
    expect(laneName({ customer: 'c', meter: 'm' })).toBe(laneName({ account: '', customer: 'c', meter: 'm' }));
  });

  it('keeps lanes apart whose parts only join to the same text', () => {
    expect(laneName({ customer: 'ab', meter: 'c' })).not.toBe(laneName({ customer: 'a', meter: 'bc' }));
  });
});
