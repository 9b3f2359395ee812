import { describe, expect, it } from 'vitest';
import type { Entry, SetCommit } from '../../../shared/journal/journal.ts';
import { Process } from '../process.ts';
import { drawProfile } from '../draw-profile.ts';
import { Random } from '../random.ts';
import { Timeline } from '../timeline.ts';
import { Checker } from './checker.ts';

const origin = { producer: 'p', slot: 3, sequence: 5 };
const message = { shard: 0, position: 1, body: Buffer.from(''), headers: {}, origin, isSynced: true };

function entry(identifier: string, customer = 'cus'): Entry {
  return { identifier, customer, meter: 'requests', value: '1', timestamp: 1, windowStartMs: 0, events: 1 };
}

function commit(set: number, said: Partial<SetCommit> = {}): SetCommit {
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

function newChecker(): { checker: Checker; newProcess: () => Process } {
  const timeline = new Timeline();
  const random = new Random(1);
  return {
    checker: new Checker(
      drawProfile(random),
      () => timeline.nowMs,
      () => undefined,
    ),
    newProcess: () => new Process('consumer', timeline, random, 0),
  };
}

const held = (epoch: number) => ({ epoch, owner: 'consumer' });

describe('the checker', () => {
  it('allows a message to be acked once the set that covers it is settled, and not before', () => {
    const early = newChecker().checker;
    early.committed(0, commit(1), 'consumer');
    early.acked(message);
    expect(early.violations).toEqual([expect.stringContaining('is pending')]);

    const late = newChecker().checker;
    late.committed(0, commit(1), 'consumer');
    late.completed(0, 1, 'token 1');
    late.acked(message);
    expect(late.violations).toEqual([]);
  });

  it('finds a message acked that no set covers, also between two that are covered', () => {
    const { checker } = newChecker();
    checker.committed(0, commit(1), 'consumer');
    checker.completed(0, 1, 'token 1');
    checker.acked({ ...message, origin: { ...origin, sequence: 4 } });
    expect(checker.violations).toEqual([expect.stringContaining('no committed set covers it')]);
  });

  it('finds an unreadable message acked without its dead letter', () => {
    const { checker } = newChecker();
    const unreadable = { ...message, origin: undefined };
    checker.deadLettered(0, 1);
    checker.acked(unreadable);
    expect(checker.violations).toEqual([]);
    checker.acked({ ...unreadable, position: 2 });
    expect(checker.violations).toHaveLength(1);
  });

  it('finds a set number given twice, and a commit that was repeated with more in it', () => {
    const { checker } = newChecker();
    checker.committed(0, commit(1), 'consumer');
    checker.committed(0, commit(1), 'consumer');
    checker.committed(1, commit(1, { entries: [entry('of another shard')] }), 'consumer');
    expect(checker.violations).toEqual([]);
    checker.committed(0, commit(1, { entries: [entry('entry of 1'), entry('one more')] }), 'consumer');
    expect(checker.violations).toEqual([expect.stringContaining('another content')]);
    checker.committed(0, commit(1, { token: 'another' }), 'consumer');
    expect(checker.violations[1]).toContain('Two sets');
  });

  it('finds a call for what is not committed, was changed, or was not journaled as attempted', () => {
    const { checker, newProcess } = newChecker();
    const process = newProcess();
    checker.callEnded(checker.callStarted(entry('unheard of'), 0, held(1), process));
    expect(checker.violations).toEqual([expect.stringContaining('in no committed set')]);
    checker.committed(0, commit(1), 'consumer');
    checker.callEnded(checker.callStarted(entry('entry of 1'), 0, held(1), process));
    expect(checker.violations[1]).toContain('before its attempt was journaled');
    checker.marked(0, 1, [0]);
    checker.callEnded(checker.callStarted(entry('entry of 1'), 0, held(1), process));
    expect(checker.violations).toHaveLength(2);
    checker.callEnded(checker.callStarted({ ...entry('entry of 1'), value: '2' }, 0, held(1), process));
    expect(checker.violations[2]).toContain('something else');
  });

  it('finds two calls at a time in a lane, but for those of an owner that sleeps', () => {
    const { checker, newProcess } = newChecker();
    const [owner, next] = [newProcess(), newProcess()];
    checker.committed(0, commit(1, { entries: [entry('one'), entry('two'), entry('elsewhere', 'other')] }), 'consumer');
    checker.marked(0, 1, [0, 1, 2]);
    checker.callStarted(entry('one'), 0, held(1), owner);
    checker.callStarted(entry('elsewhere', 'other'), 0, held(1), owner);
    owner.freeze();
    const ofNext = checker.callStarted(entry('one'), 0, held(2), next);
    expect(checker.violations).toEqual([]);
    checker.callEnded(ofNext);
    owner.kill();
    checker.callStarted(entry('one'), 0, held(2), next);
    checker.callStarted(entry('two'), 0, held(2), next);
    expect(checker.violations).toEqual([expect.stringContaining('two calls at a time')]);
  });

  it('finds what was billed twice', () => {
    const { checker } = newChecker();
    checker.billed(entry('one'));
    checker.billed(entry('two'));
    expect(checker.violations).toEqual([]);
    checker.billed(entry('one'));
    expect(checker.violations).toEqual([expect.stringContaining('billed twice')]);
  });
});
