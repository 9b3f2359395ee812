import { beforeEach, describe, expect, it } from 'vitest';
import type { ParkedEntry, ShardJournal } from '../journal/journal.ts';
import {
  claimed,
  commitOf,
  committed,
  entryOf,
  type JournalGround,
  loaded,
  parkedOf,
  sorted,
  someTime,
  takenOver,
  token,
  ttlMs,
} from './journal-samples.ts';

const decision = { by: 'alice', why: 'the customer exists now', atMs: 11 };
const identifierOf = (index: number, replay = 0) =>
  replay === 0 ? entryOf(index).identifier : `${entryOf(index).identifier}-r${replay}`;

/** Invariants 6 and 10: a replay is put down by anybody, once, and taken by the shard's owner alone. */
export function replayContract(makeGround: () => Promise<JournalGround>): void {
  let ground: JournalGround;
  let journal: ShardJournal;
  let rival: ShardJournal;
  let epoch: number;

  /** A settled set whose entries were parked. */
  beforeEach(async () => {
    ground = await makeGround();
    journal = ground.handle();
    rival = ground.handle();
    epoch = await claimed(journal, 'owner');
    await committed(journal, epoch, { ...commitOf(1), entries: [0, 1, 2].map(entryOf) });
    const parked = [parkedOf(0, 'dead'), parkedOf(1, 'in_doubt'), parkedOf(2, 'deferred')];
    await journal.progress(epoch, 1, token, new Map(parked.map(({ state }, index) => [index, state])), parked);
    await journal.complete(epoch, 1, token, 1);
  });

  async function peeked(): Promise<ParkedEntry[]> {
    const answer = await journal.peekReplays(epoch, 10);
    if (answer.answer === 'stale') throw new Error('stale');
    expect(answer.redisMs).toEqual(someTime);
    return sorted(answer.replays);
  }

  async function taken(...replays: readonly ParkedEntry[]): Promise<readonly string[]> {
    const answer = await journal.takeReplays(epoch, replays);
    return answer.answer === 'stale' ? [answer.answer] : answer.taken;
  }

  describe('replay', () => {
    it('puts down a dead entry, or one in doubt, under the next identifier and with what became of it so far', async () => {
      expect(await ground.replay(identifierOf(0), decision)).toBe(true);
      expect(await ground.replay(identifierOf(1), decision)).toBe(true);
      expect(await ground.parked()).toEqual([]);
      const [first, second] = await peeked();
      expect(first).toEqual({
        entry: { ...entryOf(0), identifier: identifierOf(0, 1) },
        state: 'deferred',
        reason: 'replay: the customer exists now',
        attempts: 0,
        parkedAtMs: 11,
        set: 1,
        history: [
          {
            identifier: identifierOf(0),
            state: 'dead',
            reason: 'No such customer',
            attempts: 2,
            attemptedAtMs: 7,
            parkedAtMs: 9,
            decision,
          },
        ],
      });
      expect(second?.entry.identifier).toBe(identifierOf(1, 1));
    });

    it('happens once, however often it is asked for', async () => {
      expect(await ground.replay(identifierOf(0), decision)).toBe(true);
      expect(await ground.replay(identifierOf(0), decision)).toBe(false);
      expect(await peeked()).toHaveLength(1);
    });

    it('leaves alone what is deferred, and what is not there', async () => {
      expect(await ground.replay(identifierOf(2), decision)).toBe(false);
      expect(await ground.replay('tm1-incarnation-000-9-token-0', decision)).toBe(false);
      expect((await loaded(journal, epoch)).deferred).toEqual([parkedOf(2, 'deferred')]);
    });

    it('is told to the owner when it renews its lease, and to nobody else', async () => {
      expect(await journal.renew(epoch, ttlMs)).toEqual({ answer: 'ok', redisMs: someTime, replays: 0 });
      await ground.replay(identifierOf(0), decision);
      expect(await journal.renew(epoch, ttlMs)).toEqual({ answer: 'ok', redisMs: someTime, replays: 1 });
      expect(await rival.renew(epoch, ttlMs).catch(() => 'refused')).not.toMatchObject({ answer: 'ok' });
    });
  });

  describe('peekReplays', () => {
    it('changes nothing, and shows no more than was asked for', async () => {
      await ground.replay(identifierOf(0), decision);
      await ground.replay(identifierOf(1), decision);
      expect(await journal.peekReplays(epoch, 1)).toMatchObject({ answer: 'ok', replays: [{}] });
      expect(await peeked()).toHaveLength(2);
      expect((await loaded(journal, epoch)).deferred).toHaveLength(1);
    });
  });

  describe('takeReplays', () => {
    let replay: ParkedEntry;

    beforeEach(async () => {
      await ground.replay(identifierOf(0), decision);
      const [seen] = await peeked();
      if (seen === undefined) throw new Error('There is no replay.');
      replay = { ...seen, attemptedAtMs: 12 };
    });

    it('makes a replay a deferred entry, as it is given here, which the next owner finds', async () => {
      expect(await taken(replay)).toEqual([identifierOf(0, 1)]);
      expect(await peeked()).toEqual([]);
      const next = await takenOver(journal, epoch, rival);
      expect(sorted((await loaded(rival, next)).deferred)).toEqual(sorted([replay, parkedOf(2, 'deferred')]));
    });

    it('answers a repetition the same', async () => {
      await taken(replay);
      expect(await taken(replay)).toEqual([identifierOf(0, 1)]);
      expect((await loaded(journal, epoch)).deferred).toHaveLength(2);
    });

    // Without an answer the same write is sent again, and the network may bring the first copy last.
    it('does not bring back a replay that has ended since', async () => {
      await taken(replay);
      await journal.settleDeferred(epoch, identifierOf(0, 1), 'accepted');
      expect(await taken(replay)).toEqual([]);
      expect((await loaded(journal, epoch)).deferred).toEqual([parkedOf(2, 'deferred')]);
    });

    it('leaves out a replay that was discarded since it was seen', async () => {
      expect(await ground.discard(identifierOf(0, 1), decision)).toBe(true);
      expect(await taken(replay)).toEqual([]);
      expect((await loaded(journal, epoch)).deferred).toEqual([parkedOf(2, 'deferred')]);
    });

    it('is refused under an old epoch, and so is a look', async () => {
      const next = await takenOver(journal, epoch, rival);
      expect(await taken(replay)).toEqual(['stale']);
      expect(await journal.peekReplays(epoch, 10)).toEqual({ answer: 'stale' });
      expect((await loaded(rival, next)).deferred).toEqual([parkedOf(2, 'deferred')]);
      expect(await rival.peekReplays(next, 10)).toMatchObject({ replays: [{}] });
    });

    it('comes to an end like any deferred entry: parked again under its new identifier, to be replayed once more', async () => {
      await taken(replay);
      const dead: ParkedEntry = { ...replay, state: 'dead', reason: 'still unknown', attempts: 1 };
      await journal.settleDeferred(epoch, identifierOf(0, 1), dead);
      expect(sorted(await ground.parked())).toEqual(sorted([dead, parkedOf(1, 'in_doubt')]));
      expect(await ground.replay(identifierOf(0, 1), decision)).toBe(true);
      const [again] = await peeked();
      expect(again?.entry.identifier).toBe(identifierOf(0, 2));
      expect(again?.history).toHaveLength(2);
    });

    it('is kept as closed once it was accepted', async () => {
      await taken(replay);
      const accepted = { ...replay, state: 'accepted' as const, reason: '', attempts: 1 };
      await journal.settleDeferred(epoch, identifierOf(0, 1), accepted);
      await journal.settleDeferred(epoch, identifierOf(0, 1), accepted);
      expect(await ground.closed()).toEqual([accepted]);
      expect((await loaded(journal, epoch)).deferred).toEqual([parkedOf(2, 'deferred')]);
    });
  });

  describe('discard', () => {
    it('ends a parked entry, with who decided it and why', async () => {
      expect(await ground.discard(identifierOf(1), decision)).toBe(true);
      expect(await ground.parked()).toEqual([parkedOf(0, 'dead')]);
      expect(await ground.closed()).toEqual([
        { ...parkedOf(1, 'in_doubt'), state: 'discarded', parkedAtMs: 11, decision },
      ]);
    });

    it('leaves alone what has ended, what is on its way, and what was replayed', async () => {
      await ground.discard(identifierOf(0), decision);
      expect(await ground.discard(identifierOf(0), { ...decision, by: 'bob' })).toBe(false);
      expect(await ground.replay(identifierOf(0), decision)).toBe(false);
      expect(await ground.discard(identifierOf(2), decision)).toBe(false);
      expect(await ground.closed()).toMatchObject([{ decision: { by: 'alice' } }]);
    });
  });
}
