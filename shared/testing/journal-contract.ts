import { beforeEach, describe, expect, it } from 'vitest';
import type { Entry, ParkedEntry, SetCommit, SettledAs, ShardJournal, ShardState } from '../journal/journal.ts';

/**
 * What every journal of a shard must answer (design, section 4). It runs against Redis and against the simulation's model,
 * so that what the simulation proves holds for the real thing.
 */
export interface JournalGround {
  /** A handle as one more consumer has it, on the one shard of this ground. */
  handle(): ShardJournal;
  /** Waits until the journal's clock has gone on by at least this. */
  elapse(ms: number): Promise<void>;
  /** The entries that are dead or in doubt. */
  parked(): Promise<readonly ParkedEntry[]>;
}

const ttlMs = 60_000;
const token = 'a'.repeat(32);
const otherToken = 'b'.repeat(32);

export function journalContract(name: string, makeGround: () => Promise<JournalGround>): void {
  describe(`journal contract: ${name}`, () => {
    let ground: JournalGround;
    let journal: ShardJournal;
    let rival: ShardJournal;

    beforeEach(async () => {
      ground = await makeGround();
      journal = ground.handle();
      rival = ground.handle();
    });

    async function takeOver(from: ShardJournal, epoch: number): Promise<number> {
      await from.release(epoch);
      return claimed(rival, 'rival');
    }

    describe('lease', () => {
      it('is granted to the first who asks, with a first epoch and a first set', async () => {
        const answer = await journal.claim('owner', ttlMs);
        expect(answer).toEqual({ granted: true, epoch: 1, next: 1, redisMs: expect.any(Number) });
      });

      it('is refused to another while it is held, with the holder and the time that is left', async () => {
        await claimed(journal, 'owner|with a bar');
        const answer = await rival.claim('rival', ttlMs);
        expect(answer).toMatchObject({ granted: false, holder: 'owner|with a bar' });
        const remainingMs = answer.granted ? 0 : answer.remainingMs;
        expect(remainingMs).toBeGreaterThan(ttlMs / 2);
        expect(remainingMs).toBeLessThanOrEqual(ttlMs);
      });

      it('is free after its time, and then for the next owner under a new epoch', async () => {
        const epoch = await claimed(journal, 'owner', 30);
        const next = await eventually(ground, async () => {
          const answer = await rival.claim('rival', ttlMs);
          return answer.granted ? answer.epoch : undefined;
        });
        expect(next).toBe(epoch + 1);
        expect(await journal.renew(epoch, ttlMs)).toMatchObject({ answer: 'stale' });
        expect(await rival.renew(next, ttlMs)).toMatchObject({ answer: 'ok' });
      });

      it('cannot be renewed or written under once it is over, even if nobody took it', async () => {
        const epoch = await claimed(journal, 'owner', 30);
        await eventually(ground, async () => {
          const answer = await journal.mark(epoch, 1, token, []);
          return answer.answer === 'stale' ? true : undefined;
        });
        expect(await journal.renew(epoch, ttlMs)).toMatchObject({ answer: 'stale' });
        expect(await journal.commit(epoch, commitOf(1))).toEqual({ answer: 'stale' });
        expect(await journal.load(epoch)).toBe('stale');
      });

      it('lasts longer once it is renewed', async () => {
        const epoch = await claimed(journal, 'owner', ttlMs);
        expect(await journal.renew(epoch, 10 * ttlMs)).toMatchObject({ answer: 'ok', redisMs: expect.any(Number) });
        const answer = await rival.claim('rival', ttlMs);
        expect(answer.granted ? 0 : answer.remainingMs).toBeGreaterThan(ttlMs);
      });

      it('is free at once when its holder releases it', async () => {
        const epoch = await claimed(journal, 'owner');
        await journal.release(epoch);
        await journal.release(epoch);
        expect(await rival.claim('rival', ttlMs)).toMatchObject({ granted: true, epoch: epoch + 1 });
      });

      it('is not released by who held it before', async () => {
        const epoch = await claimed(journal, 'owner');
        const next = await takeOver(journal, epoch);
        await journal.release(epoch);
        expect(await rival.renew(next, ttlMs)).toMatchObject({ answer: 'ok' });
      });

      it('is granted again to its own holder, whose earlier claim is fenced off', async () => {
        const epoch = await claimed(journal, 'owner');
        const next = await claimed(journal, 'owner');
        expect(next).toBe(epoch + 1);
        expect(await journal.renew(epoch, ttlMs)).toMatchObject({ answer: 'stale' });
        expect(await journal.commit(epoch, commitOf(1))).toEqual({ answer: 'stale' });
        expect(await journal.commit(next, commitOf(1))).toMatchObject({ answer: 'ok' });
      });

      it('counts its epochs on, whatever was committed in between', async () => {
        const epoch = await claimed(journal, 'owner');
        await committed(journal, epoch, commitOf(1));
        const next = await takeOver(journal, epoch);
        expect(next).toBe(epoch + 1);
        await rival.release(next);
        expect(await journal.claim('owner', ttlMs)).toMatchObject({ granted: true, epoch: next + 1, next: 2 });
      });
    });

    describe('load', () => {
      it('is empty on a shard that never committed', async () => {
        const epoch = await claimed(journal, 'owner');
        expect(await loaded(journal, epoch)).toEqual({
          redisMs: expect.any(Number),
          next: 1,
          deferred: [],
          cursors: new Map(),
          idSets: [],
          totals: new Map(),
        });
      });

      it('is refused under an old epoch', async () => {
        const epoch = await claimed(journal, 'owner');
        await takeOver(journal, epoch);
        expect(await journal.load(epoch)).toBe('stale');
      });

      it('gives the next owner everything that was committed', async () => {
        const epoch = await claimed(journal, 'owner');
        const commit: SetCommit = {
          ...commitOf(1),
          entries: [
            entryOf(0),
            {
              ...entryOf(1),
              account: 'acct_1',
              dimensions: { région: 'Zürich ✓', plan: '' },
              value: '-0.000000000000001',
            },
            { ...entryOf(2), refusal: 'the meter has an event_time_window' },
          ],
          cursors: new Map([
            ['0/producer-1', '17'],
            ['63/producer-1', '4;9-12'],
          ]),
          ids: [idsOf(0, 3), idsOf(63, 1)],
          totals: new Map([['2026-11-22T03|cus_1|calls', '123456789012.345']]),
        };
        await committed(journal, epoch, commit);

        const next = await takeOver(journal, epoch);
        const state = await loaded(rival, next);
        expect(state.next).toBe(2);
        expect(state.pending).toEqual({
          set: 1,
          token,
          entries: commit.entries,
          attemptedAtMs: new Map(),
          settled: new Map(),
        });
        expect(state.cursors).toEqual(commit.cursors);
        expect(state.totals).toEqual(commit.totals);
        expect(plainIds(state)).toEqual([
          { set: 1, slots: { 0: hexOf(idsOf(0, 3).bytes), 63: hexOf(idsOf(63, 1).bytes) } },
        ]);
      });

      it('gives back what is bigger than one piece', async () => {
        const epoch = await claimed(journal, 'owner');
        const cursors = new Map(
          Array.from({ length: 9_001 }, (_, index) => [`${index % 64}/producer-${index}`, `${index}`]),
        );
        const totals = new Map(Array.from({ length: 8_500 }, (_, index) => [`total-${index}`, `${index}.5`]));
        const ids = [idsOf(1, 300_000), idsOf(2, 300_000), idsOf(3, 1)];
        await committed(journal, epoch, { ...commitOf(1), cursors, totals, ids });
        const state = await loaded(journal, epoch);
        expect(state.cursors).toEqual(cursors);
        expect(state.totals).toEqual(totals);
        expect(state.idSets).toHaveLength(1);
        const bytes = state.idSets[0]?.ids.map((slot) =>
          Buffer.compare(slot.bytes, idsOf(slot.slot, slot.bytes.length / 16).bytes),
        );
        expect(bytes).toEqual([0, 0, 0]);
        expect(state.idSets[0]?.ids.map((slot) => slot.bytes.length / 16)).toEqual([300_000, 300_000, 1]);
      });
    });

    describe('commit', () => {
      it('answers a repetition with ok and changes nothing', async () => {
        const epoch = await claimed(journal, 'owner');
        const commit = { ...commitOf(1), cursors: new Map([['1/p', '1']]), ids: [idsOf(1, 2)] };
        await committed(journal, epoch, commit);
        await journal.mark(epoch, 1, token, [0]);
        await journal.progress(epoch, 1, token, new Map([[0, 'accepted']]), []);
        const before = await stateOf(journal, epoch);
        expect(await journal.commit(epoch, commit)).toMatchObject({ answer: 'ok', redisMs: expect.any(Number) });
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
        await takeOver(journal, epoch);
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
        const next = await takeOver(journal, epoch);
        const before = await stateOf(rival, next);
        const late = { ...commitOf(1), cursors: new Map([['1/p', '7']]), ids: [idsOf(1, 1)] };
        expect(await journal.commit(epoch, late)).toEqual({ answer: 'stale' });
        expect(await stateOf(rival, next)).toEqual(before);
        expect(await rival.commit(next, commitOf(1, otherToken))).toMatchObject({ answer: 'ok' });
      });

      it('shows a commit that overtook the take-over to the new owner as pending, and lets nobody renumber it', async () => {
        const epoch = await claimed(journal, 'owner');
        await committed(journal, epoch, commitOf(1));
        const next = await takeOver(journal, epoch);
        expect((await loaded(rival, next)).pending).toMatchObject({ set: 1, token });
        expect(await rival.commit(next, commitOf(1, otherToken))).toEqual({ answer: 'pending' });
        expect(await rival.complete(next, 1, token)).toMatchObject({ answer: 'ok' });
        expect(await journal.commit(epoch, commitOf(2))).toEqual({ answer: 'stale' });
        expect(await rival.commit(next, commitOf(2, otherToken))).toMatchObject({ answer: 'ok' });
      });

      it('replaces cursors and totals that it names, and keeps the others', async () => {
        const epoch = await claimed(journal, 'owner');
        const first = new Map([
          ['1/p', '1'],
          ['1/q', '1'],
        ]);
        await settledSet(journal, epoch, { ...commitOf(1), cursors: first, totals: first });
        await committed(journal, epoch, {
          ...commitOf(2),
          cursors: new Map([['1/q', '2']]),
          totals: new Map([['1/q', '2']]),
        });
        const expected = new Map([
          ['1/p', '1'],
          ['1/q', '2'],
        ]);
        const state = await loaded(journal, epoch);
        expect(state.cursors).toEqual(expected);
        expect(state.totals).toEqual(expected);
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
          { set: 2, slots: { 1: hexOf(idsOf(1, 3).bytes) }, settledAtMs: expect.any(Number) },
          { set: 4, slots: { 5: hexOf(idsOf(5, 1).bytes) } },
        ]);
      });

      it('takes a set without entries like any other', async () => {
        const epoch = await claimed(journal, 'owner');
        await committed(journal, epoch, { ...commitOf(1), entries: [], cursors: new Map([['1/p', '1']]) });
        expect((await loaded(journal, epoch)).pending).toMatchObject({ set: 1, entries: [] });
        expect(await journal.commit(epoch, commitOf(2))).toEqual({ answer: 'pending' });
        expect(await journal.complete(epoch, 1, token)).toMatchObject({ answer: 'ok' });
        expect((await loaded(journal, epoch)).pending).toBeUndefined();
      });
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

        const next = await takeOver(journal, epoch);
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
        const settledAtMs = timeOf(await journal.complete(epoch, 1, token));
        await ground.elapse(3);
        expect(await journal.complete(epoch, 1, token)).toEqual({ answer: 'ok', redisMs: settledAtMs });
        const next = await takeOver(journal, epoch);
        expect(await rival.complete(next, 1, token)).toEqual({ answer: 'ok', redisMs: settledAtMs });
        const state = await loaded(rival, next);
        expect(state.pending).toBeUndefined();
        expect(state.next).toBe(2);
        expect(state.idSets).toMatchObject([{ set: 1, settledAtMs }]);
      });

      it('leaves no mark and no progress to the next set', async () => {
        const epoch = await claimed(journal, 'owner');
        await committed(journal, epoch, commitOf(1));
        await journal.mark(epoch, 1, token, [0]);
        await journal.progress(epoch, 1, token, new Map([[0, 'deferred']]), [parkedOf(0, 'deferred')]);
        await journal.complete(epoch, 1, token);
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
        complete: (epoch: number, set: number, by: string) => journal.complete(epoch, set, by),
      };
      const cases = Object.entries(writes).map(([write, run]) => ({ write, run }));

      it.each(cases)('is refused a $write under an old epoch', async ({ run }) => {
        const epoch = await claimed(journal, 'owner');
        await committed(journal, epoch, commitOf(1));
        const next = await takeOver(journal, epoch);
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
        await journal.complete(epoch, 1, token);
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
        const next = await takeOver(journal, epoch);
        expect(await journal.settleDeferred(epoch, entryOf(0).identifier, 'accepted')).toMatchObject({
          answer: 'stale',
        });
        expect((await loaded(rival, next)).deferred).toHaveLength(2);
      });
    });
  });
}

async function claimed(journal: ShardJournal, owner: string, leaseMs = ttlMs): Promise<number> {
  const answer = await journal.claim(owner, leaseMs);
  if (!answer.granted) throw new Error(`the lease is held by ${answer.holder}`);
  return answer.epoch;
}

async function loaded(journal: ShardJournal, epoch: number): Promise<ShardState> {
  const state = await journal.load(epoch);
  if (state === 'stale') throw new Error(`epoch ${epoch} is stale`);
  return state;
}

/** Everything of the state but the time at which it was read. */
async function stateOf(journal: ShardJournal, epoch: number): Promise<Omit<ShardState, 'redisMs'>> {
  const { redisMs, ...state } = await loaded(journal, epoch);
  expect(redisMs).toBeGreaterThan(0);
  return state;
}

async function committed(journal: ShardJournal, epoch: number, commit: SetCommit): Promise<void> {
  expect(await journal.commit(epoch, commit)).toMatchObject({ answer: 'ok', redisMs: expect.any(Number) });
}

async function settledSet(journal: ShardJournal, epoch: number, commit: SetCommit): Promise<void> {
  await committed(journal, epoch, commit);
  expect(await journal.complete(epoch, commit.set, commit.token)).toMatchObject({ answer: 'ok' });
}

async function eventually<T>(ground: JournalGround, look: () => Promise<T | undefined>): Promise<T> {
  for (let waitedMs = 0; waitedMs < 5_000; waitedMs += 10) {
    const found = await look();
    if (found !== undefined) return found;
    await ground.elapse(10);
  }
  throw new Error('did not happen within 5 s of the journal’s clock');
}

function timeOf(answer: Awaited<ReturnType<ShardJournal['mark']>>): number {
  if (answer.answer !== 'ok') throw new Error(`answered ${answer.answer}`);
  return answer.redisMs;
}

function commitOf(set: number, by = token): SetCommit {
  return {
    set,
    token: by,
    entries: [entryOf(0)],
    cursors: new Map(),
    forgottenCursors: [],
    ids: [],
    forgottenIdSets: [],
    totals: new Map(),
  };
}

function entryOf(index: number): Entry {
  return {
    identifier: `tm1-incarnation-000-1-token-${index}`,
    customer: `cus_${index}`,
    meter: 'calls',
    value: '1.5',
    timestamp: 1_795_316_400,
    windowStartMs: 1_795_316_400_000,
    events: 3,
  };
}

function parkedOf(index: number, state: ParkedEntry['state']): ParkedEntry {
  return {
    entry: entryOf(index),
    state,
    reason: 'No such customer',
    attempts: 2,
    attemptedAtMs: 7,
    parkedAtMs: 9,
    set: 1,
  };
}

function sorted(parked: readonly ParkedEntry[]): ParkedEntry[] {
  return parked.toSorted((left, right) => left.entry.identifier.localeCompare(right.entry.identifier));
}

/** `count` ids of 16 bytes with every byte value in them, so that nothing on the way may take them for text. */
function idsOf(slot: number, count: number): { slot: number; bytes: Uint8Array } {
  const bytes = new Uint8Array(16 * count);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 7 + slot) & 0xff;
  return { slot, bytes };
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function plainIds(state: ShardState): object[] {
  return state.idSets.map(({ ids, ...set }) => ({
    ...set,
    slots: Object.fromEntries(ids.map(({ slot, bytes }) => [slot, hexOf(bytes)])),
  }));
}
