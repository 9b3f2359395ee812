import type { Entry, SetCommit } from '../../../../shared/journal/journal.ts';
import { drawProfile } from '../drawing/draw-profile.ts';
import { Process } from '../time/process.ts';
import { Random } from '../time/random.ts';
import { Timeline } from '../time/timeline.ts';
import { Checker } from './checker.ts';

/** What tests of the checker are made of. */
export const origin = { producer: 'p', slot: 3, sequence: 5 };
export const message = { shard: 0, position: 1, body: Buffer.from(''), headers: {}, origin, isSynced: true };

export function entry(identifier: string, customer = 'cus'): Entry {
  return { identifier, customer, meter: 'requests', value: '1', timestamp: 1, windowStartMs: 0, events: 1 };
}

export function commit(set: number, said: Partial<SetCommit> = {}): SetCommit {
  return {
    set,
    token: `token ${set}`,
    entries: [entry(`entry of ${set}`)],
    cursors: new Map([['3/p', '1;0;1-2,5']]),
    forgottenCursors: [],
    ids: [],
    forgottenIdSets: [],
    totals: new Map(),
    ...said,
  };
}

export function newChecker() {
  const timeline = new Timeline();
  const random = new Random(1);
  const profile = drawProfile(random);
  return {
    ratePerS: profile.ratePerS,
    pass: (ms: number) => {
      timeline.after(ms, () => undefined);
      timeline.run();
    },
    checker: new Checker(
      profile,
      () => timeline.nowMs,
      () => undefined,
    ),
    newProcess: () => new Process('consumer', timeline, random, 0),
  };
}

export const held = (epoch: number) => ({ epoch, owner: 'consumer' });
