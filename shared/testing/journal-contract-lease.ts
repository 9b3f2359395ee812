import { beforeEach, describe, expect, it } from 'vitest';
import type { SetCommit, ShardJournal } from '../journal/journal.ts';
import {
  claimed,
  commitOf,
  committed,
  entryOf,
  eventually,
  hexOf,
  idsOf,
  type JournalGround,
  loaded,
  plainIds,
  someTime,
  takenOver,
  totalsOf,
  token,
  ttlMs,
} from './journal-samples.ts';

/** Who may write: the rules of the lease and of `load`, which the next owner begins with. */
export function leaseContract(makeGround: () => Promise<JournalGround>): void {
  let ground: JournalGround;
  let journal: ShardJournal;
  let rival: ShardJournal;

  beforeEach(async () => {
    ground = await makeGround();
    journal = ground.handle();
    rival = ground.handle();
  });

  describe('lease', () => {
    it('is granted to the first who asks, with a first epoch and a first set', async () => {
      const answer = await journal.claim('owner', ttlMs);
      expect(answer).toEqual({ granted: true, epoch: 1, next: 1, redisMs: someTime });
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
      expect(await journal.renew(epoch, 10 * ttlMs)).toMatchObject({ answer: 'ok', redisMs: someTime });
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
      const next = await takenOver(journal, epoch, rival);
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
      const next = await takenOver(journal, epoch, rival);
      expect(next).toBe(epoch + 1);
      await rival.release(next);
      expect(await journal.claim('owner', ttlMs)).toMatchObject({ granted: true, epoch: next + 1, next: 2 });
    });
  });

  describe('load', () => {
    it('is empty on a shard that never committed', async () => {
      const epoch = await claimed(journal, 'owner');
      expect(await loaded(journal, epoch)).toEqual({
        redisMs: someTime,
        next: 1,
        deferred: [],
        cursors: new Map(),
        idSets: [],
      });
    });

    it('is refused under an old epoch', async () => {
      const epoch = await claimed(journal, 'owner');
      await takenOver(journal, epoch, rival);
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
        totals: new Map([['1795316400//calls', '123456789012.345']]),
      };
      await committed(journal, epoch, commit);

      const next = await takenOver(journal, epoch, rival);
      const state = await loaded(rival, next);
      expect(state.next).toBe(2);
      expect(state.pending).toEqual({
        set: 1,
        token,
        entries: commit.entries,
        attemptedAtMs: new Map(),
        settled: new Map(),
        progressWrites: 0,
      });
      expect(state.cursors).toEqual(commit.cursors);
      expect(await totalsOf(rival, next, ['1795316400//calls'])).toEqual(commit.totals);
      expect(plainIds(state)).toEqual([
        { set: 1, slots: { 0: hexOf(idsOf(0, 3).bytes), 63: hexOf(idsOf(63, 1).bytes) } },
      ]);
    });

    it('gives back what is bigger than one piece', async () => {
      const epoch = await claimed(journal, 'owner');
      const cursors = new Map(
        Array.from({ length: 9_001 }, (_, index) => [`${index % 64}/producer-${index}`, `${index}`]),
      );
      const totals = new Map(Array.from({ length: 8_500 }, (_, index) => [`${3_600 * index}//calls`, `${index}.5`]));
      const ids = [idsOf(1, 300_000), idsOf(2, 300_000), idsOf(3, 1)];
      await committed(journal, epoch, { ...commitOf(1), cursors, totals, ids });
      const state = await loaded(journal, epoch);
      expect(state.cursors).toEqual(cursors);
      expect(await totalsOf(journal, epoch, [...totals.keys()])).toEqual(totals);
      expect(state.idSets).toHaveLength(1);
      const bytes = state.idSets[0]?.ids.map((slot) =>
        Buffer.compare(slot.bytes, idsOf(slot.slot, slot.bytes.length / 16).bytes),
      );
      expect(bytes).toEqual([0, 0, 0]);
      expect(state.idSets[0]?.ids.map((slot) => slot.bytes.length / 16)).toEqual([300_000, 300_000, 1]);
    });
  });
}
