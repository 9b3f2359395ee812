import { beforeEach, describe, expect, it } from 'vitest';
import type { JournalFormat } from '../journal/format.ts';
import type { SetCommit, ShardJournal } from '../journal/journal.ts';
import {
  claimed,
  commitOf,
  committed,
  entryOf,
  type JournalGround,
  loaded,
  otherToken,
  parkedOf,
  takenOver,
  totalsOf,
  token,
  ttlMs,
} from './journal-samples.ts';

/** In which format a journal is written: what its head says, which follows the cluster's and never falls. */
export function formatContract(makeGround: () => Promise<JournalGround>): void {
  let ground: JournalGround;
  let clusterFormat: JournalFormat;
  let journal: ShardJournal;
  let rival: ShardJournal;
  const bound = { ...entryOf(0), meterId: 'mtr_1' };
  const commit = (set: number, by = token): SetCommit => ({ ...commitOf(set, by), entries: [bound] });

  beforeEach(async () => {
    ground = await makeGround();
    clusterFormat = 1;
    journal = ground.handle(() => clusterFormat);
    rival = ground.handle(() => clusterFormat);
  });

  const pendingOf = async (of: ShardJournal, epoch: number) => (await loaded(of, epoch)).pending?.entries;

  describe('format', () => {
    it('1 holds nothing that the version before would send without regard to it', async () => {
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commit(1));
      expect(await pendingOf(rival, await takenOver(journal, epoch, rival))).toEqual([entryOf(0)]);
    });

    it('is raised by the next owner', async () => {
      await takenOver(journal, await claimed(journal, 'owner'), rival);
      clusterFormat = 2;
      const epoch = await claimed(rival, 'rival');
      await committed(rival, epoch, commit(1));
      expect(await pendingOf(journal, await takenOver(rival, epoch, journal))).toEqual([bound]);
    });

    it('is raised by the owner that it has, with its next renewal and not before', async () => {
      const epoch = await claimed(journal, 'owner');
      clusterFormat = 2;
      await committed(journal, epoch, commit(1));
      expect(await pendingOf(journal, epoch)).toEqual([entryOf(0)]);
      await journal.renew(epoch, ttlMs);
      await journal.complete(epoch, 1, token, 0);
      await committed(journal, epoch, commit(2, otherToken));
      expect(await pendingOf(journal, epoch)).toEqual([bound]);
    });

    it('is not raised by who has lost the lease', async () => {
      const epoch = await claimed(journal, 'owner');
      const next = await takenOver(journal, epoch, rival);
      clusterFormat = 2;
      expect(await journal.renew(epoch, ttlMs)).toMatchObject({ answer: 'stale' });
      clusterFormat = 1;
      await rival.renew(next, ttlMs);
      await committed(rival, next, commit(1));
      expect(await pendingOf(rival, next)).toEqual([entryOf(0)]);
    });

    it('never falls, whatever its owner knows of the cluster', async () => {
      clusterFormat = 2;
      const epoch = await claimed(journal, 'owner');
      clusterFormat = 1;
      const next = await takenOver(journal, epoch, rival);
      await rival.renew(next, ttlMs);
      await committed(rival, next, commit(1));
      expect(await pendingOf(rival, next)).toEqual([bound]);
    });

    it('of a commit stays what it was when that was first sent: its repetition is the same', async () => {
      const epoch = await claimed(journal, 'owner');
      const first = commit(1);
      await committed(journal, epoch, first);
      clusterFormat = 2;
      await journal.renew(epoch, ttlMs);
      await committed(journal, epoch, first);
      expect(await pendingOf(journal, epoch)).toEqual([entryOf(0)]);
    });

    // A late event adds to an hour that was counted before the switch: its total must not begin anew.
    it('2 goes on with the totals of format 1', async () => {
      const epoch = await claimed(journal, 'owner');
      const field = '1795316400//calls';
      await committed(journal, epoch, { ...commitOf(1), totals: new Map([[field, '1;5;5;1']]) });
      await journal.complete(epoch, 1, token, 0);
      clusterFormat = 2;
      await journal.renew(epoch, ttlMs);
      expect(await totalsOf(journal, epoch, [field])).toEqual(new Map([[field, '1;5;5;1']]));
      await committed(journal, epoch, { ...commitOf(2), totals: new Map([[field, '1;6;6;2']]) });
      expect(await totalsOf(journal, epoch, [field])).toEqual(new Map([[field, '1;6;6;2']]));
    });

    it('2 keeps the meter of a deferred entry too', async () => {
      clusterFormat = 2;
      const epoch = await claimed(journal, 'owner');
      await committed(journal, epoch, commit(1));
      const parked = { ...parkedOf(0, 'deferred'), entry: bound };
      await journal.progress(epoch, 1, token, new Map([[0, 'deferred']]), [parked]);
      expect((await loaded(journal, epoch)).deferred).toEqual([parked]);
    });
  });
}
