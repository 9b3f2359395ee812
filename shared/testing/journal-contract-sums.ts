import { beforeEach, describe, expect, it } from 'vitest';
import type { Addition, ParkedEntry, SettledAs, ShardJournal } from '../journal/journal.ts';
import {
  claimed,
  commitOf,
  committed,
  entryOf,
  type JournalGround,
  otherToken,
  parkedOf,
  sorted,
  takenOver,
  token,
} from './journal-samples.ts';

const decision = { by: 'alice', why: 'w', atMs: 7 };
const key = 'key';
const atMs = 9;

/** Entries that were never sent, and are added to one that is parked: exactly once, whoever decides about that meanwhile. */
export function sumsContract(makeGround: () => Promise<JournalGround>): void {
  let ground: JournalGround;
  let journal: ShardJournal;
  let epoch: number;

  beforeEach(async () => {
    ground = await makeGround();
    journal = ground.handle();
    epoch = await claimed(journal, 'owner');
    await committed(journal, epoch, { ...commitOf(1), entries: [0, 1, 2].map(entryOf) });
  });

  /** What the entry comes to with these events. */
  function withEvents(index: number, events: number): ParkedEntry {
    const parked = parkedOf(index, 'dead');
    return { ...parked, entry: { ...parked.entry, value: `${events}`, events } };
  }

  async function found(by = journal, under = epoch): Promise<Addition['to'] & object> {
    const answer = await by.readSums(under, atMs, ['other', key]);
    if (answer.answer === 'stale') throw new Error('stale');
    const read = answer.sums.get(key);
    if (read === undefined) throw new Error('Nothing is there to be added to.');
    return { ...read, sum: read.record };
  }

  const tell = (index: number, addition: Omit<Addition, 'key'>, set = 1, by = token) =>
    journal.progress(epoch, set, by, new Map<number, SettledAs>([[index, 'dead']]), [], [{ key, ...addition }]);

  describe('additions', () => {
    it('begin with an entry that is parked by itself, and is found by its key from then on', async () => {
      expect(await journal.readSums(epoch, atMs, [])).toMatchObject({ answer: 'ok', parked: 0, sums: new Map() });
      await tell(0, { own: withEvents(0, 1) });
      expect(await ground.parked()).toEqual([withEvents(0, 1)]);
      expect(await found()).toMatchObject({ record: withEvents(0, 1) });
      expect(await journal.readSums(epoch, atMs, ['other'])).toMatchObject({ parked: 1, sums: new Map() });
    });

    it('change what was read, once, however often they are written', async () => {
      await tell(0, { own: withEvents(0, 1) });
      const to = { ...(await found()), sum: withEvents(0, 3) };
      expect(await tell(1, { to, own: withEvents(1, 2) })).toMatchObject({ answer: 'ok' });
      expect(await tell(1, { to, own: withEvents(1, 2) })).toMatchObject({ answer: 'ok' });
      expect(await ground.parked()).toEqual([withEvents(0, 3)]);
    });

    it('are parked by themselves once a person has decided about what was read, and are not repeated either', async () => {
      await tell(0, { own: withEvents(0, 1) });
      const to = { ...(await found()), sum: withEvents(0, 3) };
      expect(await ground.replay(entryOf(0).identifier, decision)).toBe(true);
      await tell(1, { to, own: withEvents(1, 2) });
      expect(await ground.parked()).toEqual([withEvents(1, 2)]);
      expect(await ground.discard(entryOf(1).identifier, decision)).toBe(true);
      await tell(1, { to, own: withEvents(1, 2) });
      expect(await ground.parked()).toEqual([]);
    });

    it('are not repeated when a person decides between a write and its repetition', async () => {
      await tell(0, { own: withEvents(0, 1) });
      const to = { ...(await found()), sum: withEvents(0, 3) };
      await tell(1, { to, own: withEvents(1, 2) });
      expect(await ground.replay(entryOf(0).identifier, decision)).toBe(true);
      await tell(1, { to, own: withEvents(1, 2) });
      expect(await ground.parked()).toEqual([]);
    });

    it('are parked by themselves when what was read has been added to since', async () => {
      await tell(0, { own: withEvents(0, 1) });
      const to = await found();
      await tell(1, { to: { ...to, sum: withEvents(0, 3) }, own: withEvents(1, 2) });
      await tell(2, { to: { ...to, sum: withEvents(0, 5) }, own: withEvents(2, 4) });
      expect(sorted(await ground.parked())).toEqual([withEvents(0, 3), withEvents(2, 4)]);
      expect((await found()).record).toEqual(withEvents(2, 4));
    });

    it('go on in the next set and under the next owner, and not under an old epoch or for another set', async () => {
      await tell(0, { own: withEvents(0, 1) });
      await journal.complete(epoch, 1, token, 1);
      await committed(journal, epoch, commitOf(2, otherToken));
      const to = { ...(await found()), sum: withEvents(0, 3) };
      expect(await tell(1, { to, own: withEvents(1, 2) })).toEqual({ answer: 'mismatch' });
      const rival = ground.handle();
      const next = await takenOver(journal, epoch, rival);
      expect(await tell(1, { to, own: withEvents(1, 2) }, 2, otherToken)).toEqual({ answer: 'stale' });
      expect(await journal.readSums(epoch, atMs, [key])).toEqual({ answer: 'stale' });
      expect(await ground.parked()).toEqual([withEvents(0, 1)]);
      expect((await found(rival, next)).record).toEqual(withEvents(0, 1));
    });
  });
}
