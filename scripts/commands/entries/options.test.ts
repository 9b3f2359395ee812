import { describe, expect, it } from 'vitest';
import { entriesCommand } from '../entries.ts';
import { attempt } from '../testing/attempt.ts';
import type { EntriesCommand } from './options.ts';

async function parse(line: string): Promise<EntriesCommand | string> {
  let parsed: EntriesCommand | undefined;
  const program = entriesCommand((command) => {
    parsed = command;
    return 0;
  });
  const { stderr } = await attempt(program, line.split(' '));
  return parsed ?? stderr;
}

it('lists what is open, at most a hundred, unless told otherwise', async () => {
  expect(await parse('list')).toEqual({
    name: 'list',
    filter: { states: new Set(['dead', 'in_doubt', 'deferred', 'waiting']) },
    limit: 100,
    summary: false,
    json: false,
  });
  expect(await parse('list --json')).toMatchObject({ limit: Number.POSITIVE_INFINITY, json: true });
  expect(await parse('list --limit 5 --state billed,accepted --shard 7 --older-than 2h --newer-than 3d')).toMatchObject(
    {
      filter: { states: new Set(['billed', 'accepted']), shard: 7, olderThanMs: 7_200_000, newerThanMs: 259_200_000 },
      limit: 5,
    },
  );
});

it('decides about dead entries only, unless entries in doubt are asked for by name', async () => {
  expect(await parse('replay --all --why fixed')).toMatchObject({
    action: 'replay',
    filter: { states: new Set(['dead']) },
  });
  expect(await parse('discard --customer cus_1 --why test')).toMatchObject({
    action: 'discarded',
    filter: { states: new Set(['dead']), customer: 'cus_1' },
  });
  expect(await parse('discard tm1-a-000-1-b-0 --why test')).toMatchObject({
    filter: { states: new Set(['dead', 'in_doubt', 'waiting']) },
    identifiers: ['tm1-a-000-1-b-0'],
  });
});

it('resolves entries in doubt as billed, or as not billed, which is a replay', async () => {
  expect(await parse('resolve --all --billed --why found')).toMatchObject({
    name: 'resolve',
    action: 'billed',
    filter: { states: new Set(['in_doubt']) },
  });
  expect(await parse('resolve x --not-billed --why found --by alice')).toMatchObject({ action: 'replay', by: 'alice' });
});

it('takes the login name for who decides', async () => {
  expect(await parse('replay --all --why fixed')).toMatchObject({
    by: expect.stringMatching(/./),
    why: 'fixed',
    dryRun: false,
  });
});

describe('refuses, with a sentence', () => {
  it.each([
    ['remove x', 'Unknown command: remove'],
    ['list x', 'Expected 0 arguments, not 1: x.'],
    ['list --why x', 'Unknown option: --why.'],
    ['show', 'Missing argument: IDENTIFIER.'],
    ['show x --meter m', 'Unknown option: --meter.'],
    ['show x --summary', 'Unknown option: --summary.'],
    ['replay --all --summary --why x', 'Unknown option: --summary.'],
    ['replay x', 'Missing option: --why <TEXT>.'],
    ['replay --why x', 'Missing choice of entries: identifiers, filters or --all.'],
    ['replay x --meter m --why x', 'Identifiers, filters and --all cannot be combined.'],
    ['replay --all --state dead --why x', 'Identifiers, filters and --all cannot be combined.'],
    ['replay --state in_doubt --why x', 'replay is for entries that are dead, not in_doubt.'],
    ['replay --all --billed --why x', 'Unknown option: --billed.'],
    ['discard --state deferred --why x', 'discard is for entries that are dead, in_doubt or waiting, not deferred.'],
    ['resolve --all --why x', 'Missing option: --billed or --not-billed'],
    ['resolve --all --billed --not-billed --why x', 'Options --billed and --not-billed cannot be combined.'],
    ['list --state gone', '--state must be of dead, in_doubt'],
    ['list --older-than 2w', '--older-than must be a duration like 90s, 15m, 2h or 3d, not "2w".'],
    ['list --shard x', '--shard must be a whole number from 0 to 63, not "x".'],
    ['list --limit 0', '--limit must be a whole number from 1 to'],
    ['list --colour', 'Unknown option: --colour.'],
  ])('%s', async (line, sentence) => {
    expect(await parse(line)).toContain(sentence);
  });
});
