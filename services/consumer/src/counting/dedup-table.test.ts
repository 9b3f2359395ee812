import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DedupTable, type IdHash } from './dedup-table.ts';

type Action =
  | { readonly type: 'claim' | 'remove'; readonly id: number; readonly set: number }
  | { readonly type: 'forget'; readonly set: number };

/** Few ids in one segment and one place, so that they meet, wrap round and leave gaps. */
const crowded = (id: number): IdHash => [0, 0xffff_fff0, id % 3, id];

const id = fc.nat(40);
const set = fc.integer({ min: 1, max: 6 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('claim' as const), id, set }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('remove' as const), id, set }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('forget' as const), set }) },
);

/** Spread like a digest's words, but cheap. */
function spreadHash(seed: number): IdHash {
  const word = (salt: number) => {
    let value = Math.imul(seed ^ salt, 0x9e3779b1);
    value = Math.imul(value ^ (value >>> 15), 0x85ebca6b);
    return (value ^ (value >>> 13)) >>> 0;
  };
  return [word(0x1111_1111), word(0x2222_2222), seed >>> 0, word(0x3333_3333)];
}

function claimAll(table: DedupTable, from: number, to: number, claimedBy: number): void {
  for (let seed = from; seed < to; seed++) {
    if (!table.claim(spreadHash(seed), claimedBy)) throw new Error(`Id ${seed} was taken for another one.`);
  }
}

describe('DedupTable', () => {
  it.each([
    { ids: 'crowded', hashOf: crowded },
    { ids: 'spread', hashOf: spreadHash },
  ])('answers as a map from id to set, with $ids ids', ({ hashOf }) => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300, size: 'max' }), (actions) => {
        const table = new DedupTable();
        const model = new Map<number, number>();
        let forgottenThrough = 0;
        for (const step of actions) {
          switch (step.type) {
            case 'claim': {
              const bySet = Math.max(step.set, forgottenThrough + 1);
              expect(table.claim(hashOf(step.id), bySet)).toBe(!model.has(step.id));
              if (!model.has(step.id)) model.set(step.id, bySet);
              break;
            }
            case 'remove':
              table.remove(hashOf(step.id), step.set);
              if (model.get(step.id) === step.set) model.delete(step.id);
              break;
            case 'forget':
              table.forgetThrough(step.set);
              forgottenThrough = Math.max(forgottenThrough, step.set);
              for (const [known, bySet] of model) if (bySet <= step.set) model.delete(known);
              break;
          }
          expect(table.size).toBe(model.size);
        }
        for (let bySet = 1; bySet <= 6; bySet++) {
          expect(table.countOf(bySet)).toBe([...model.values()].filter((claimed) => claimed === bySet).length);
        }
      }),
    );
  });

  it('compares all 128 bits', () => {
    const table = new DedupTable();
    const hash: IdHash = [1, 2, 3, 4];
    expect(table.claim(hash, 1)).toBe(true);
    for (let word = 0; word < 4; word++) {
      const [first, second, third, fourth] = hash.map((value, index) => (index === word ? value ^ 0x10 : value));
      expect(table.claim([first!, second!, third!, fourth!], 1)).toBe(true);
    }
    expect(table.claim(hash, 1)).toBe(false);
  });

  it('takes the lowest and the highest hash and set number', () => {
    const table = new DedupTable();
    for (const word of [0, 0xffff_ffff]) {
      expect(table.claim([word, word, word, word], 0xffff_fff0)).toBe(true);
      expect(table.claim([word, word, word, word], 0xffff_fff0)).toBe(false);
    }
    expect(table.countOf(0xffff_fff0)).toBe(2);
  });

  it('does not give back an id that another set had claimed', () => {
    const table = new DedupTable();
    table.claim([1, 2, 3, 4], 1);
    expect(table.claim([1, 2, 3, 4], 2)).toBe(false);
    table.remove([1, 2, 3, 4], 2);
    expect(table.claim([1, 2, 3, 4], 2)).toBe(false);
  });

  it('never fills up with removed ids: claiming and giving back goes on for ever in the same space', () => {
    const table = new DedupTable();
    const claimAndGiveBack = (ids: number): void => {
      for (let seed = 0; seed < ids; seed++) {
        table.claim(spreadHash(seed), 1);
        table.remove(spreadHash(seed), 1);
      }
    };
    claimAndGiveBack(10_000);
    const used = table.bytes;
    claimAndGiveBack(100_000);
    expect(table.size).toBe(0);
    expect(table.bytes).toBe(used);
  });

  it('needs at most 32 bytes an id at a million ids, also while sets are forgotten and others take their place', () => {
    const table = new DedupTable();
    const perSet = 100_000;
    const sets = 10;
    for (let claimed = 1; claimed <= sets; claimed++)
      claimAll(table, (claimed - 1) * perSet, claimed * perSet, claimed);
    expect(table.size).toBe(perSet * sets);
    expect(table.bytes / table.size).toBeLessThanOrEqual(32);
    for (let claimed = sets + 1; claimed <= sets + 5; claimed++) {
      table.forgetThrough(claimed - sets);
      claimAll(table, (claimed - 1) * perSet, claimed * perSet, claimed);
      expect(table.size).toBe(perSet * sets);
      expect(table.bytes / table.size).toBeLessThanOrEqual(32);
    }
  });
});
