import { expect, it } from 'vitest';
import { createLog } from './log.ts';
import { SharedTrouble } from './shared-trouble.ts';
import { Troubles } from './troubles.ts';

// A queue was deleted, and sixteen shards wrote a line with a stack every two seconds, for hours.
it('is told once for all that have it, and over when none has it any more', () => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const troubles = new Troubles(createLog({ service: 'test', level: 'info' }, { write }));
  const shared = new SharedTrouble(troubles, { reason: 'queue', message: 'It cannot be consumed.' }, 'Fine again.');
  for (let attempt = 0; attempt < 30; attempt++) {
    shared.met('b', new Error('NOT_FOUND'));
    shared.met('a', new Error('NOT_FOUND'));
  }
  expect(lines).toMatchObject([{ level: 'warn', reason: 'queue', of: ['b'], cause: 'NOT_FOUND' }]);
  expect(lines[0]).not.toHaveProperty('stack');
  expect(troubles.remarks).toEqual(['It cannot be consumed. (NOT_FOUND)']);
  shared.gone('a');
  shared.gone('a');
  expect(troubles.isOn('queue')).toBe(true);
  shared.gone('b');
  expect(lines.slice(1)).toMatchObject([{ level: 'info', reason: 'queue', msg: 'Fine again.' }]);
  expect(troubles.remarks).toEqual([]);
});

// A shard that could not be consumed was given back, and that was told as if it were consumed again.
it('ends without a word when the last one that has it leaves with it', () => {
  const lines: string[] = [];
  const troubles = new Troubles(
    createLog({ service: 'test', level: 'info' }, { write: (line) => void lines.push(line) }),
  );
  const shared = new SharedTrouble(troubles, { reason: 'queue', message: 'It cannot be consumed.' }, 'Fine again.');
  shared.met('a', new Error('NOT_FOUND'));
  shared.left('a');
  shared.gone('a');
  expect(troubles.remarks).toEqual([]);
  expect(lines).toEqual([expect.stringContaining('It cannot be consumed.')]);
});
