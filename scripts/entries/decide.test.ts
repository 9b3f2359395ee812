import { expect, it } from 'vitest';
import type { EntryBook, FoundEntry } from '../../shared/journal/entry-book.ts';
import { parkedOf } from '../../shared/testing/journal-samples.ts';
import { decide } from './decide.ts';

const command = {
  name: 'discard',
  action: 'discarded',
  identifiers: [],
  filter: { states: new Set(['dead'] as const) },
  why: 'test',
  by: 'somebody',
  dryRun: true,
  json: false,
} as const;

it('an interrupted run speaks of what it has reached only', async () => {
  const found: FoundEntry = { shard: 0, state: 'dead', record: parkedOf(0, 'dead'), text: '' };
  const book = {
    count: () => Promise.resolve(450),
    async *list() {
      for (let index = 0; index < 450; index++) yield await Promise.resolve(found);
    },
  } as unknown as EntryBook;
  let looked = 0;
  const run = { book, shards: 1, command, nowMs: 1, tell: () => undefined };
  const report = await decide({ ...run, progress: () => void looked++, isInterrupted: () => looked === 250 });
  expect(report).toEqual({ chosen: 200, done: 200, refused: [], interrupted: true });
});
