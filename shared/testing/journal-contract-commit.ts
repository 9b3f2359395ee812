import { beforeEach, describe, expect, it } from 'vitest';
import type { ShardJournal } from '../journal/journal.ts';
import {
  claimed,
  commitOf,
  committed,
  hexOf,
  idsOf,
  type JournalGround,
  loaded,
  otherToken,
  plainIds,
  settledSet,
  someTime,
  stateOf,
  takenOver,
  totalsOf,
  token,
} from './journal-samples.ts';

/** Invariant 2: one atomic commit, refused unless epoch, number and pending set allow it. */
export function commitContract(makeGround: () => Promise<JournalGround>): void {
  let ground: JournalGround;
  let journal: ShardJournal;
  let rival: ShardJournal;

  beforeEach(async () => {
    ground = await makeGround();
    journal = ground.handle();
    rival = ground.handle();
  });

  describe('commit', () => {
    it('answers a repetition with ok and changes nothing', async () => {
      const epoch = await claimed(journal, 'owner');
      const commit = { ...commitOf(1), cursors: new Map([['1/p', '1']]), ids: [idsOf(1, 2)] };
      await committed(journal, epoch, commit);
      await journal.mark(epoch, 1, token, [0]);
      await journal.progress(epoch, 1, token, new Map([[0, 'accepted']]), []);
      const before = await stateOf(journal, epoch);
      expect(await journal.commit(epoch, commit)).toMatchObject({ answer: 'ok', redisMs: someTime });
      expect(await journal.commit(epoch, { ...commit })).toMatchObject({ answer: 'ok' });
      expect(await stateOf(journal, epoch)).toEqual(before);
    });

    it('answers a repetition with ok after the set is settled, too', async () => {
      const epoch = await claimed(journal, 'owner');
      await settledSet(journal, epoch, { ...commitOf(1), ids: [idsOf(1, 2)] });
      const before = await stateOf(journal, epoch);
      expect(await journal.commit(epoch, { ...commitOf(1), ids: [idsOf(1, 2)] })).toMatchObject({ answer: 'ok' });
      expect(await stateOf(journal, epoch)).toEqual(before);
    });

    it('refuses a repetition that does not come from the owner any more', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commitOf(1));
      await takenOver(journal, epoch, rival);
      expect(await journal.commit(epoch, commitOf(1))).toEqual({ answer: 'stale' });
    });

    it.each([
      { given: 'the same number with another token', commit: commitOf(1, otherToken) },
      { given: 'the next number', commit: commitOf(2, otherToken) },
    ])('refuses $given while a set is pending', async ({ commit }) => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commitOf(1));
      const before = await stateOf(journal, epoch);
      expect(await journal.commit(epoch, commit)).toEqual({ answer: 'pending' });
      expect(await stateOf(journal, epoch)).toEqual(before);
    });

    it.each([
      { given: 'a settled number with another token', commit: commitOf(1, otherToken) },
      { given: 'a number that leaves a gap', commit: commitOf(3, otherToken) },
      { given: 'the first number again', commit: commitOf(0, otherToken) },
    ])('refuses $given, although the epoch is current and nothing is pending', async ({ commit }) => {
      const epoch = await claimed(journal, 'owner');
      await settledSet(journal, epoch, commitOf(1));
      const before = await stateOf(journal, epoch);
      expect(await journal.commit(epoch, { ...commit, cursors: new Map([['9/p', '9']]) })).toEqual({
        answer: 'number',
      });
      expect(await stateOf(journal, epoch)).toEqual(before);
    });

    it('refuses the old owner after a take-over, although its number is the right one', async () => {
      const epoch = await claimed(journal, 'owner');
      const next = await takenOver(journal, epoch, rival);
      const before = await stateOf(rival, next);
      const late = { ...commitOf(1), cursors: new Map([['1/p', '7']]), ids: [idsOf(1, 1)] };
      expect(await journal.commit(epoch, late)).toEqual({ answer: 'stale' });
      expect(await stateOf(rival, next)).toEqual(before);
      expect(await rival.commit(next, commitOf(1, otherToken))).toMatchObject({ answer: 'ok' });
    });

    it('shows a commit that overtook the take-over to the new owner as pending, and lets nobody renumber it', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commitOf(1));
      const next = await takenOver(journal, epoch, rival);
      expect((await loaded(rival, next)).pending).toMatchObject({ set: 1, token });
      expect(await rival.commit(next, commitOf(1, otherToken))).toEqual({ answer: 'pending' });
      expect(await rival.complete(next, 1, token, 0)).toMatchObject({ answer: 'ok' });
      expect(await journal.commit(epoch, commitOf(2))).toEqual({ answer: 'stale' });
      expect(await rival.commit(next, commitOf(2, otherToken))).toMatchObject({ answer: 'ok' });
    });

    it('replaces cursors and totals that it names, and keeps the others', async () => {
      const epoch = await claimed(journal, 'owner');
      const first = new Map([
        ['1/p', '1'],
        ['1/q', '1'],
      ]);
      const [hour, other] = ['1795316400//calls', '1798761600/acct_1/calls'];
      const totals = new Map([
        [hour, '1;1;1;1'],
        [other, '1;1;1;1'],
      ]);
      await settledSet(journal, epoch, { ...commitOf(1), cursors: first, totals });
      await committed(journal, epoch, {
        ...commitOf(2),
        cursors: new Map([['1/q', '2']]),
        totals: new Map([[other, '1;2;2;2']]),
      });
      const expected = new Map([
        ['1/p', '1'],
        ['1/q', '2'],
      ]);
      const state = await loaded(journal, epoch);
      expect(state.cursors).toEqual(expected);
      expect(await totalsOf(journal, epoch, [hour, other, '1795320000//calls'])).toEqual(totals.set(other, '1;2;2;2'));
    });

    it('forgets the cursors and the ids that it names, and no others', async () => {
      const epoch = await claimed(journal, 'owner');
      const cursors = new Map([
        ['1/p', '1'],
        ['2/p', '1'],
      ]);
      await settledSet(journal, epoch, { ...commitOf(1), cursors, ids: [idsOf(1, 1), idsOf(2, 2)] });
      await settledSet(journal, epoch, { ...commitOf(2), ids: [idsOf(1, 3)] });
      await settledSet(journal, epoch, commitOf(3));
      await committed(journal, epoch, {
        ...commitOf(4),
        forgottenCursors: ['1/p', '3/never'],
        forgottenIdSets: [1, 3, 77],
        ids: [idsOf(5, 1)],
      });
      const state = await loaded(journal, epoch);
      expect(state.cursors).toEqual(new Map([['2/p', '1']]));
      expect(plainIds(state)).toEqual([
        { set: 2, slots: { 1: hexOf(idsOf(1, 3).bytes) }, settledAtMs: someTime },
        { set: 4, slots: { 5: hexOf(idsOf(5, 1).bytes) } },
      ]);
    });

    it('takes a set without entries like any other', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, { ...commitOf(1), entries: [], cursors: new Map([['1/p', '1']]) });
      expect((await loaded(journal, epoch)).pending).toMatchObject({ set: 1, entries: [] });
      expect(await journal.commit(epoch, commitOf(2))).toEqual({ answer: 'pending' });
      expect(await journal.complete(epoch, 1, token, 0)).toMatchObject({ answer: 'ok' });
      expect((await loaded(journal, epoch)).pending).toBeUndefined();
    });
  });
}
