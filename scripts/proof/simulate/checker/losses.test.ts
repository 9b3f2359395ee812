import { describe, expect, it } from 'vitest';
import { ModelShardJournal } from '../stores/model-journal.ts';
import { commit, entry, held, newChecker } from './testing.ts';

describe('the checker, when Redis has lost a set that was sent', () => {
  const cursors = new Map([['3/p', '1;0;5']]);
  const older = new ModelShardJournal().snapshot();

  function lost(): ReturnType<typeof newChecker> {
    const made = newChecker();
    const { checker } = made;
    checker.committed(0, commit(1, { cursors }), 'consumer');
    checker.marked(0, 1, [0]);
    checker.callEnded(checker.callStarted(entry('entry of 1'), 0, held(1), made.newProcess()));
    checker.lostWrites([older]);
    return made;
  }
  const again = commit(1, { cursors, token: 'another', entries: [entry('entry again')] });

  it('lets nobody who could know of it commit its messages again before a person has looked', () => {
    const { checker } = lost();
    checker.committed(0, again, 'consumer');
    expect(checker.violations).toEqual([expect.stringContaining('Nobody has looked')]);
  });

  it('lets it be committed again once a person has looked, and by somebody who could not know', () => {
    const looked = lost().checker;
    looked.halted('consumer', 'its journal is lower than it was');
    looked.recovered();
    looked.committed(0, again, 'consumer');
    const other = lost().checker;
    other.committed(0, again, 'other');
    expect([...looked.violations, ...other.violations]).toEqual([]);
  });

  // Seed 298833182: the owner stood still while another one had the shard, and found the number that it had left. Epoch and number
  // are all that it compares, so it could not know.
  it('lets its owner commit it again once another one has brought the shard to a higher number', () => {
    const { checker } = lost();
    checker.committed(0, commit(1, { token: 'of another', cursors: new Map() }), 'other');
    checker.committed(0, commit(2, { cursors, token: 'another', entries: [entry('entry again')] }), 'consumer');
    expect(checker.violations.filter((violation) => violation.includes('Nobody has looked'))).toEqual([]);
  });

  it('lets nobody do so once somebody has halted and the others have had the time to hear of it', () => {
    const { checker, pass } = lost();
    checker.halted('consumer', 'its journal is lower than it was');
    pass(60_000);
    checker.committed(0, again, 'other');
    expect(checker.violations).toEqual([expect.stringContaining('Nobody has looked')]);
  });
});
