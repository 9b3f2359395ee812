import { describe, expect, it } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { sift, type Sifted } from './sift.ts';

const validation = { nowMs: Date.UTC(2026, 10, 22), newId: () => 'made' };
const plain = { id: 'e1', customer: 'cus_a', meter: 'tokens' };

function siftAll(...events: unknown[]): Sifted {
  return sift(
    events.map((parsed) => ({ parsed })),
    validation,
  );
}

describe('sift', () => {
  it('gives each event its slot, its text and the size of it', () => {
    const { accepted } = siftAll({ ...plain, customer: 'Zoë' });
    const [event] = accepted;
    expect(event?.slot).toBe(slotOf({ customer: 'Zoë', meter: 'tokens' }));
    expect(JSON.parse(event?.text ?? '')).toMatchObject({ id: 'e1', customer: 'Zoë', value: '1' });
    expect(event?.bytes).toBe((event?.text.length ?? 0) + 1);
  });

  it('counts an event twice in one request as a duplicate, and lets the first value win', () => {
    const { accepted, duplicates, rejected } = siftAll({ ...plain, value: 1 }, { ...plain, value: 2 }, plain);
    expect(accepted.map(({ text }) => text)).toEqual([expect.stringContaining('"value":"1"')]);
    expect([duplicates, rejected]).toEqual([2, []]);
  });

  it.each([
    ['customer', { ...plain, customer: 'cus_b' }],
    ['meter', { ...plain, meter: 'storage' }],
    ['account', { ...plain, account: 'acct_1' }],
    ['id', { ...plain, id: 'e2' }],
  ])('takes events apart that differ in %s', (_, other) => {
    expect(siftAll(plain, other)).toMatchObject({ accepted: { length: 2 }, duplicates: 0 });
  });

  it('counts a duplicate in every lane that has its id, not only in the first', () => {
    const other = { ...plain, customer: 'cus_2' };
    const third = { ...plain, meter: 'storage' };
    expect(siftAll(plain, other, third, other, third, plain)).toMatchObject({ accepted: { length: 3 }, duplicates: 3 });
  });

  it('does not take events without an id for duplicates', () => {
    const { id, ...anonymous } = plain;
    expect(id).toBe('e1');
    expect(siftAll(anonymous, anonymous, anonymous)).toMatchObject({ accepted: { length: 3 }, duplicates: 0 });
  });

  it('does not take a valid event for the duplicate of an invalid one', () => {
    expect(siftAll({ ...plain, value: 'x' }, plain)).toMatchObject({
      accepted: { length: 1 },
      duplicates: 0,
      rejected: { length: 1 },
    });
  });

  it('says which event was rejected, by place and by id', () => {
    expect(siftAll(plain, { ...plain, id: 'e2', value: null }).rejected).toEqual([
      { index: 1, id: 'e2', code: 'value_invalid', message: expect.stringMatching(/^value: got null; /) as string },
    ]);
  });

  it.each([[17], ['x'.repeat(101)], ['\u0000'], [undefined]])('does not repeat the id %j', (id) => {
    expect(siftAll({ id, customer: 'c', metre: 'm' }).rejected).toMatchObject([{ id: null }]);
  });

  it('rejects what could not be parsed', () => {
    expect(sift([{ unparsable: 'Unexpected end' }], validation).rejected).toEqual([
      {
        index: 0,
        id: null,
        code: 'not_json',
        message: 'line: got text that is not JSON (Unexpected end); it may be one JSON object.',
      },
    ]);
  });

  it('adds up to the request', () => {
    const { accepted, duplicates, rejected } = siftAll(plain, 7, plain, null, { ...plain, id: 'e2' });
    expect([accepted.length, duplicates, rejected.length]).toEqual([2, 1, 2]);
  });
});
