import { expect, it } from 'vitest';
import type { EntryBook, FoundEntry } from '../../../shared/journal/entry-book.ts';
import { parkedOf } from '../../../shared/testing/journal-samples.ts';
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

it('counts as done what the journal says is decided now, and tells of nothing else', async () => {
  const found = [0, 1].map((index): FoundEntry => ({
    shard: 0,
    state: 'dead',
    record: parkedOf(index, 'dead'),
    text: '',
  }));
  const [first] = found.map(({ record }) => record.entry.identifier);
  const book = {
    count: () => Promise.resolve(2),
    async *list() {
      yield* await Promise.resolve(found);
    },
    now: () => Promise.resolve(1),
    // The other one was changed meanwhile, by its shard or another person.
    close: () => Promise.resolve(new Set([first])),
  } as unknown as EntryBook;
  const told: string[] = [];
  const report = await decide({
    book,
    shards: 1,
    command: { ...command, dryRun: false },
    nowMs: 1,
    progress: () => undefined,
    tell: ({ record }) => void told.push(record.entry.identifier),
    isInterrupted: () => false,
  });
  expect(report).toEqual({ chosen: 2, done: 1, refused: [], interrupted: false });
  expect(told).toEqual([first]);
});

it('changes nothing in a dry run', async () => {
  const found: FoundEntry = { shard: 0, state: 'dead', record: parkedOf(0, 'dead'), text: '' };
  const book = {
    count: () => Promise.resolve(1),
    async *list() {
      yield await Promise.resolve(found);
    },
  } as unknown as EntryBook;
  const run = { book, shards: 1, command, nowMs: 1, progress: () => undefined, isInterrupted: () => false };
  expect(await decide({ ...run, tell: () => undefined })).toMatchObject({ chosen: 1, done: 1 });
});
