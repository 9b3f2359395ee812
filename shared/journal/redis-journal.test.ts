import { expect, it } from 'vitest';
import type { SetCommit } from './journal.ts';
import { newestFormat } from './format.ts';
import { createRedisJournal } from './redis-journal.ts';
import type { ScriptArgument } from '../redis/script.ts';
import { entryOf } from '../testing/journal-samples.ts';

const commit: SetCommit = {
  set: 7,
  token: 'token',
  entries: [],
  cursors: new Map([['1/p', '4']]),
  forgottenCursors: ['2/p'],
  ids: [{ slot: 1, bytes: Buffer.alloc(16, 255) }],
  forgottenIdSets: [3],
  totals: new Map([['1795316400//calls', '1;1.5;1;1']]),
};

function recorded(answer: (command: string) => unknown) {
  const calls: { command: string; args: ScriptArgument[] }[] = [];
  const redis = {
    callBuffer: async (command: string, args: ScriptArgument[]) => {
      calls.push({ command, args });
      return answer(command);
    },
  };
  return { calls, journal: createRedisJournal({ redis, namespace: 'tallyman', shard: 3, format: () => newestFormat }) };
}

const granted = [Buffer.from('ok'), 5, Buffer.from('7'), 1_795_316_400_000, Buffer.from('2')];

it('repeats a commit that was not answered with the same bytes, however its maps have changed since', async () => {
  const cursors = new Map(commit.cursors);
  const changing = { ...commit, cursors };
  let isAway = false;
  const { calls, journal } = recorded(() => {
    if (isAway) throw new Error('Connection is closed.');
    return granted;
  });
  await journal.claim('owner', 60_000);
  isAway = true;
  await expect(journal.commit(5, changing)).rejects.toThrow('Connection is closed.');
  cursors.set('9/late', '1');
  isAway = false;
  await journal.commit(5, changing);
  expect(calls[2]?.args).toEqual(calls[1]?.args);
  expect(calls[1]?.args).toContain('1/p');
  expect(calls[2]?.args).not.toContain('9/late');
});

it('names every key that a script touches, all in one hash slot', async () => {
  const { calls, journal } = recorded(() => granted);
  await journal.claim('owner', 60_000);
  await journal.commit(5, commit);
  await journal.complete(5, 7, 'token', 0);
  for (const { args } of calls) {
    const [, count, ...rest] = args;
    const keys = rest.slice(0, Number(count));
    expect(keys.length).toBeGreaterThan(1);
    for (const key of keys) expect(key).toMatch(/^tallyman:\{tallyman:003\}:/);
  }
});

it('sends the text of a script only when Redis does not know its digest', async () => {
  const { calls, journal } = recorded((command) => {
    if (command === 'EVALSHA') throw new Error('NOSCRIPT No matching script. Please use EVAL.');
    return granted;
  });
  expect(await journal.claim('owner', 60_000)).toMatchObject({ granted: true, epoch: 5, next: 7 });
  expect(calls.map(({ command }) => command)).toEqual(['EVALSHA', 'EVAL']);
  expect(calls[1]?.args.slice(1)).toEqual(calls[0]?.args.slice(1));
});

it.each(['stale', 'pending', 'number'])('tells that a commit was refused: %s', async (answer) => {
  let isClaimed = false;
  const { journal } = recorded(() => {
    if (isClaimed) return [Buffer.from(answer), 1];
    isClaimed = true;
    return granted;
  });
  await journal.claim('owner', 60_000);
  expect(await journal.commit(5, commit)).toEqual({ answer });
});

it('writes under its epoch and the name that it has claimed with: an epoch alone may be given twice', async () => {
  let isClaimed = false;
  const { calls, journal } = recorded(() => {
    // As every script but `claim` answers.
    if (isClaimed) return [Buffer.from('ok'), 1_795_316_400_000, 0, Buffer.from('2')];
    isClaimed = true;
    return granted;
  });
  await journal.claim('owner', 60_000);
  await journal.commit(5, commit);
  await journal.mark(5, 7, 'token', [0]);
  await journal.renew(5, 1_000);
  await journal.release(5);
  for (const { args } of calls.slice(1)) {
    const [, keys, ...rest] = args;
    expect(rest[Number(keys)]).toBe('5|owner');
  }
});

// A set that was too large to be written as text was never committed, and neither would one have been that only failed once: the
// rejection was kept with the commit, and answered to every repetition without a look at it.
it('tries a commit anew that could not be written', async () => {
  const { calls, journal } = recorded(() => granted);
  await journal.claim('owner', 60_000);
  let fails = true;
  const entry = {
    ...entryOf(0),
    toJSON: () => {
      if (fails) throw new RangeError('Invalid string length');
      return entryOf(0);
    },
  };
  const difficult = { ...commit, entries: [entry] };
  await expect(journal.commit(5, difficult)).rejects.toThrow('Invalid string length');
  expect(calls.map(({ command }) => command)).toEqual(['EVALSHA']);
  fails = false;
  expect(await journal.commit(5, difficult)).toMatchObject({ answer: 'ok' });
});
