import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IdHash } from './dedup-table.ts';
import { hashId, readIds, SlotIdList } from './event-id.ts';

const word = fc.nat(0xffff_ffff);
const idHash = fc.tuple(word, word, word, word);

describe('hashId', () => {
  it('is the first half of SHA-256 over the UTF-8 bytes of lane NUL id, as four big-endian words', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (lane, id) => {
        const digest = createHash('sha256').update(`${lane}\0${id}`, 'utf8').digest();
        expect(hashId(lane, id)).toEqual([0, 4, 8, 12].map((at) => digest.readUInt32BE(at)));
      }),
    );
  });

  it('is a constant of the journal format', () => {
    const words = hashId('\0cus_1\0requests', 'event-1');
    expect(words.map((part) => part.toString(16).padStart(8, '0')).join('')).toBe('dbd2b69a885d47fc5d19c1a0568639c2');
  });

  it('tells lanes apart that have the same id', () => {
    expect(hashId('\0cus_1\0requests', 'a')).not.toEqual(hashId('\0cus_2\0requests', 'a'));
    expect(hashId('acct\0cus_1\0requests', 'a')).not.toEqual(hashId('\0cus_1\0requests', 'a'));
  });
});

describe('SlotIdList', () => {
  it('keeps every id under its slot, in the bytes that are read back', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(63), idHash), { maxLength: 300, size: 'max' }), (added) => {
        const list = new SlotIdList();
        const model = new Map<number, IdHash[]>();
        for (const [slot, id] of added) {
          list.add(slot, id);
          model.set(slot, [...(model.get(slot) ?? []), id]);
        }
        const read = new Map(list.slots().map((ids) => [ids.slot, [...readIds(ids)]]));
        expect(read).toEqual(model);
      }),
    );
  });

  it('grows past any number of ids of one slot', () => {
    const list = new SlotIdList();
    for (let id = 0; id < 10_000; id++) list.add(3, [id, id + 1, id + 2, 0xffff_ffff]);
    const [ids] = list.slots();
    expect(ids?.bytes.length).toBe(160_000);
    expect([...readIds(ids!)][9_999]).toEqual([9_999, 10_000, 10_001, 0xffff_ffff]);
  });

  it('writes the digest as it is, so that other readers need not know the byte order of this machine', () => {
    const list = new SlotIdList();
    list.add(0, hashId('lane', 'id'));
    expect(Buffer.from(list.slots()[0]!.bytes).toString('hex')).toBe(
      createHash('sha256').update('lane\0id').digest('hex').slice(0, 32),
    );
  });

  it('reads bytes that begin inside a larger buffer', () => {
    const list = new SlotIdList();
    list.add(0, [1, 2, 3, 4]);
    const bytes = new Uint8Array([9, 9, 9, ...list.slots()[0]!.bytes]).subarray(3);
    expect([...readIds({ slot: 0, bytes })]).toEqual([[1, 2, 3, 4]]);
  });
});
