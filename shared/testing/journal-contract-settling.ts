import { beforeEach, describe, expect, it } from 'vitest';
import type { SettledAs, ShardJournal } from '../journal/journal.ts';
import {
  claimed,
  commitOf,
  committed,
  entryOf,
  idsOf,
  type JournalGround,
  loaded,
  otherToken,
  parkedOf,
  settledSet,
  sorted,
  stateOf,
  takenOver,
  timeOf,
  token,
} from './journal-samples.ts';

/** Invariants 6 and 8: what happens to a committed set, under its token only. */
export function settlingContract(makeGround: () => Promise<JournalGround>): void {
  let ground: JournalGround;
  let journal: ShardJournal;
  let rival: ShardJournal;

  beforeEach(async () => {
    ground = await makeGround();
    journal = ground.handle();
    rival = ground.handle();
  });

  describe('mark', () => {
    it('keeps the earliest time of an entry', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, { ...commitOf(1), entries: [0, 1, 2, 3].map(entryOf) });
      const first = timeOf(await journal.mark(epoch, 1, token, [2, 0, 1]));
      await ground.elapse(3);
      const second = timeOf(await journal.mark(epoch, 1, token, [1, 3]));
      expect(second).toBeGreaterThan(first);
      const expected = new Map([
        [0, first],
        [1, first],
        [2, first],
        [3, second],
      ]);
      expect((await loaded(journal, epoch)).pending?.attemptedAtMs).toEqual(expected);
    });
  });

  describe('progress', () => {
    // Without an answer the same write is sent again, and the network may bring the first copy last.
    it('brings no deferred entry back that has ended since', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, { ...commitOf(1), entries: [0, 1].map(entryOf) });
      const deferred = parkedOf(0, 'deferred');
      const write = () => journal.progress(epoch, 1, token, new Map([[0, 'deferred']]), [deferred]);
      await write();
      await journal.settleDeferred(epoch, deferred.entry.identifier, 'accepted');
      expect(await write()).toMatchObject({ answer: 'ok' });
      expect((await loaded(journal, epoch)).deferred).toEqual([]);
    });

    it('keeps how entries ended, and parks what was not accepted', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, { ...commitOf(1), entries: [0, 1, 2, 3, 4].map(entryOf) });
      const settled = new Map<number, SettledAs>([
        [4, 'accepted'],
        [0, 'accepted'],
        [1, 'dead'],
        [2, 'in_doubt'],
      ]);
      const ended = [parkedOf(1, 'dead'), parkedOf(2, 'in_doubt')];
      expect(await journal.progress(epoch, 1, token, settled, ended)).toMatchObject({ answer: 'ok' });
      const waiting = [parkedOf(3, 'deferred')];
      expect(await journal.progress(epoch, 1, token, new Map([[3, 'deferred']]), waiting)).toMatchObject({
        answer: 'ok',
      });

      const next = await takenOver(journal, epoch, rival);
      const state = await loaded(rival, next);
      expect(state.pending?.settled).toEqual(new Map([...settled, [3, 'deferred']]));
      expect(state.deferred).toEqual(waiting);
      expect(sorted(await ground.parked())).toEqual(ended);
    });

    it('changes nothing when it is repeated', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commitOf(1));
      const parked = [parkedOf(0, 'dead')];
      await journal.progress(epoch, 1, token, new Map([[0, 'dead']]), parked);
      const before = await stateOf(journal, epoch);
      await journal.progress(epoch, 1, token, new Map([[0, 'dead']]), parked);
      expect(await stateOf(journal, epoch)).toEqual(before);
      expect(await ground.parked()).toEqual(parked);
    });
  });

  describe('complete', () => {
    it('settles the set, and answers a repetition with the time of the first', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, { ...commitOf(1), ids: [idsOf(1, 1)] });
      const settledAtMs = timeOf(await journal.complete(epoch, 1, token, 0));
      await ground.elapse(3);
      expect(await journal.complete(epoch, 1, token, 0)).toEqual({ answer: 'ok', redisMs: settledAtMs });
      const next = await takenOver(journal, epoch, rival);
      expect(await rival.complete(next, 1, token, 0)).toEqual({ answer: 'ok', redisMs: settledAtMs });
      const state = await loaded(rival, next);
      expect(state.pending).toBeUndefined();
      expect(state.next).toBe(2);
      expect(state.idSets).toMatchObject([{ set: 1, settledAtMs }]);
    });

    // A set was completed after Redis had lost the write that said why one of its entries was dead: the entry stood nowhere any
    // more, and nobody heard of it. Found by the simulation (profile redis_loss).
    it('is told of a mismatch when the journal lacks a progress write, whoever wrote it', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commitOf(1));
      expect(await journal.complete(epoch, 1, token, 1)).toEqual({ answer: 'mismatch' });
      const write = () => journal.progress(epoch, 1, token, new Map([[0, 'dead']]), [parkedOf(0, 'dead')]);
      await write();
      await write();
      const next = await takenOver(journal, epoch, rival);
      expect((await loaded(rival, next)).pending?.progressWrites).toBe(1);
      expect(await rival.complete(next, 1, token, 2)).toEqual({ answer: 'mismatch' });
      expect(await rival.complete(next, 1, token, 1)).toMatchObject({ answer: 'ok' });
    });

    it('leaves no mark and no progress to the next set', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commitOf(1));
      await journal.mark(epoch, 1, token, [0]);
      await journal.progress(epoch, 1, token, new Map([[0, 'deferred']]), [parkedOf(0, 'deferred')]);
      await journal.complete(epoch, 1, token, 1);
      await committed(journal, epoch, commitOf(2, otherToken));
      const state = await loaded(journal, epoch);
      expect(state.pending).toMatchObject({ set: 2, attemptedAtMs: new Map(), settled: new Map() });
      expect(state.deferred).toEqual([parkedOf(0, 'deferred')]);
    });
  });

  describe('who writes about a set', () => {
    const writes = {
      mark: (epoch: number, set: number, by: string) => journal.mark(epoch, set, by, [0]),
      progress: (epoch: number, set: number, by: string) =>
        journal.progress(epoch, set, by, new Map([[0, 'dead']]), [parkedOf(0, 'dead')]),
      complete: (epoch: number, set: number, by: string) => journal.complete(epoch, set, by, 0),
    };
    const cases = Object.entries(writes).map(([write, run]) => ({ write, run }));

    it.each(cases)('is refused a $write under an old epoch', async ({ run }) => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commitOf(1));
      const next = await takenOver(journal, epoch, rival);
      const before = await stateOf(rival, next);
      expect(await run(epoch, 1, token)).toEqual({ answer: 'stale' });
      expect(await stateOf(rival, next)).toEqual(before);
      expect(await ground.parked()).toEqual([]);
    });

    it.each(cases)(
      'is told of a mismatch when the journal holds another set or token than its $write names',
      async ({ run }) => {
        const epoch = await claimed(journal, 'owner');
        expect(await run(epoch, 1, token)).toEqual({ answer: 'mismatch' });
        await committed(journal, epoch, commitOf(1));
        const before = await stateOf(journal, epoch);
        expect(await run(epoch, 1, otherToken)).toEqual({ answer: 'mismatch' });
        expect(await run(epoch, 2, token)).toEqual({ answer: 'mismatch' });
        expect(await stateOf(journal, epoch)).toEqual(before);
        expect(await ground.parked()).toEqual([]);
      },
    );

    it.each(cases.filter(({ write }) => write !== 'complete'))(
      'is told of a mismatch when the set of its $write is settled',
      async ({ run }) => {
        const epoch = await claimed(journal, 'owner');
        await settledSet(journal, epoch, commitOf(1));
        expect(await run(epoch, 1, token)).toEqual({ answer: 'mismatch' });
        expect(await ground.parked()).toEqual([]);
      },
    );
  });

  describe('settleDeferred', () => {
    let epoch: number;

    beforeEach(async () => {
      epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, { ...commitOf(1), entries: [entryOf(0), entryOf(1)] });
      const both = [parkedOf(0, 'deferred'), parkedOf(1, 'deferred')];
      const settled = new Map<number, SettledAs>(both.map((_, index) => [index, 'deferred']));
      await journal.progress(epoch, 1, token, settled, both);
      await journal.complete(epoch, 1, token, 1);
    });

    it('removes an entry that was accepted', async () => {
      expect(await journal.settleDeferred(epoch, entryOf(0).identifier, 'accepted')).toMatchObject({ answer: 'ok' });
      expect((await loaded(journal, epoch)).deferred).toEqual([parkedOf(1, 'deferred')]);
      expect(await ground.parked()).toEqual([]);
    });

    it.each(['dead', 'in_doubt'] as const)('parks an entry that ended %s', async (state) => {
      await journal.settleDeferred(epoch, entryOf(1).identifier, parkedOf(1, state));
      expect((await loaded(journal, epoch)).deferred).toEqual([parkedOf(0, 'deferred')]);
      expect(await ground.parked()).toEqual([parkedOf(1, state)]);
    });

    it('rewrites an entry that is deferred again', async () => {
      const again = { ...parkedOf(0, 'deferred'), attempts: 9, reason: 'still 500' };
      await journal.settleDeferred(epoch, entryOf(0).identifier, again);
      expect(sorted((await loaded(journal, epoch)).deferred)).toEqual([again, parkedOf(1, 'deferred')]);
    });

    it('does not bring back an entry that has ended', async () => {
      const { identifier } = entryOf(0);
      await journal.settleDeferred(epoch, identifier, 'accepted');
      expect(await journal.settleDeferred(epoch, identifier, 'accepted')).toMatchObject({ answer: 'ok' });
      expect(await journal.settleDeferred(epoch, identifier, parkedOf(0, 'deferred'))).toMatchObject({
        answer: 'ok',
      });
      expect(await journal.settleDeferred(epoch, identifier, parkedOf(0, 'dead'))).toMatchObject({ answer: 'ok' });
      expect((await loaded(journal, epoch)).deferred).toEqual([parkedOf(1, 'deferred')]);
      expect(await ground.parked()).toEqual([]);
    });

    it('is refused under an old epoch', async () => {
      const next = await takenOver(journal, epoch, rival);
      expect(await journal.settleDeferred(epoch, entryOf(0).identifier, 'accepted')).toMatchObject({
        answer: 'stale',
      });
      expect((await loaded(rival, next)).deferred).toHaveLength(2);
    });
  });
}
