import { describe, expect, it } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { Unparsable } from './item.ts';
import { json } from './json.ts';
import { type Holder, RecentIds } from './recent-ids.ts';
import { sift, type Sifted } from './sift.ts';

const validation = { nowMs: Date.UTC(2026, 10, 22), newId: () => 'made' };
const plain = { id: 'e1', customer: 'cus_a', meter: 'tokens' };

function siftAll(...events: unknown[]): Sifted {
  return request(new RecentIds({ idsMax: 100, ageMs: 1_000 }, 0), ...events).sifted;
}

function request(recent: RecentIds, ...events: unknown[]): { readonly sifted: Sifted; readonly holder: Holder } {
  const holder = recent.open(0);
  return { sifted: sift(events, { validate: json.validate, validation, recent, holder }), holder };
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
    expect(siftAll(new Unparsable('Unexpected end')).rejected).toEqual([
      {
        index: 0,
        id: null,
        code: 'not_json',
        message: 'line: got text that is not JSON (Unexpected end); it must be one JSON object.',
      },
    ]);
  });

  it('adds up to the request', () => {
    const { accepted, duplicates, rejected } = siftAll(plain, 7, plain, null, { ...plain, id: 'e2' });
    expect([accepted.length, duplicates, rejected.length]).toEqual([2, 1, 2]);
  });

  it('takes an event again as a duplicate once the request that brought it is durable', () => {
    const recent = new RecentIds({ idsMax: 100, ageMs: 1_000 }, 0);
    recent.settle(request(recent, plain).holder, 'durable');
    const { accepted, duplicates, awaited } = request(recent, plain, { ...plain, id: 'e2' }).sifted;
    expect([accepted.length, duplicates, awaited.size]).toEqual([1, 1, 0]);
  });

  it('names the request that a duplicate has to wait for', () => {
    const recent = new RecentIds({ idsMax: 100, ageMs: 1_000 }, 0);
    const { holder } = request(recent, plain);
    const { duplicates, awaited } = request(recent, plain, plain).sifted;
    expect([duplicates, [...awaited]]).toEqual([2, [holder]]);
  });

  it('never remembers the ids that it makes', () => {
    const recent = new RecentIds({ idsMax: 100, ageMs: 1_000 }, 0);
    const anonymous = { customer: 'cus_a', meter: 'tokens' };
    recent.settle(request(recent, anonymous).holder, 'durable');
    expect(request(recent, anonymous, { ...anonymous, id: 'made' }).sifted.accepted).toHaveLength(2);
  });
});
