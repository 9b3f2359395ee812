import { describe, expect, it } from 'vitest';
import { parseOptions, UsageError } from './options.ts';

const parse = (line: string) => parseOptions(line.split(' '), 'login');

it('lists what is open, at most a hundred, unless told otherwise', () => {
  expect(parse('list')).toEqual({
    name: 'list',
    filter: { states: new Set(['dead', 'in_doubt', 'deferred', 'waiting']) },
    limit: 100,
    summary: false,
    json: false,
  });
  expect(parse('list --json')).toMatchObject({ limit: Number.POSITIVE_INFINITY, json: true });
  expect(parse('list --limit 5 --state billed,accepted --shard 7 --older-than 2h --newer-than 3d')).toMatchObject({
    filter: { states: new Set(['billed', 'accepted']), shard: 7, olderThanMs: 7_200_000, newerThanMs: 259_200_000 },
    limit: 5,
  });
});

it('decides about dead entries only, unless entries in doubt are asked for by name', () => {
  expect(parse('replay --all --why fixed')).toMatchObject({ action: 'replay', filter: { states: new Set(['dead']) } });
  expect(parse('discard --customer cus_1 --why test')).toMatchObject({
    action: 'discarded',
    filter: { states: new Set(['dead']), customer: 'cus_1' },
  });
  expect(parse('discard tm1-a-000-1-b-0 --why test')).toMatchObject({
    filter: { states: new Set(['dead', 'in_doubt', 'waiting']) },
    identifiers: ['tm1-a-000-1-b-0'],
  });
});

it('resolves entries in doubt as billed, or as not billed, which is a replay', () => {
  expect(parse('resolve --all --billed --why found')).toMatchObject({
    name: 'resolve',
    action: 'billed',
    filter: { states: new Set(['in_doubt']) },
  });
  expect(parse('resolve x --not-billed --why found --by alice')).toMatchObject({ action: 'replay', by: 'alice' });
});

it('takes the login name for who decides', () => {
  expect(parse('replay --all --why fixed')).toMatchObject({ by: 'login', why: 'fixed', dryRun: false });
});

describe('refuses, with a sentence', () => {
  it.each([
    ['remove x', 'There is no command "remove".'],
    ['--json', 'Name a command: list, show, replay, discard or resolve.'],
    ['list x', 'list takes no identifier; show does.'],
    ['list --why x', 'list takes no --why.'],
    ['show', 'show takes one identifier.'],
    ['show x --meter m', 'show takes no --meter.'],
    ['show x --summary', 'show takes no --summary.'],
    ['replay --all --summary --why x', 'replay takes no --summary.'],
    ['replay x', '--why is missing'],
    ['replay --why x', 'replay takes identifiers, or filters, or --all: one of them.'],
    ['replay x --meter m --why x', 'one of them'],
    ['replay --state in_doubt --why x', 'replay is for entries that are dead, not in_doubt.'],
    ['replay --all --billed --why x', 'replay takes no --billed.'],
    ['discard --state deferred --why x', 'discard is for entries that are dead or in_doubt or waiting, not deferred.'],
    ['resolve --all --why x', 'resolve takes --billed, or --not-billed'],
    ['resolve --all --billed --not-billed --why x', 'resolve takes --billed, or --not-billed'],
    ['list --state gone', '--state has "gone"; there are dead, in_doubt'],
    ['list --older-than 2w', '--older-than is "2w"; it may be like 90s, 15m, 2h or 3d.'],
    ['list --shard x', '--shard is "x"'],
    ['list --limit 0', '--limit is "0"'],
    ['list --colour', "Unknown option '--colour'"],
  ])('%s', (line, sentence) => {
    expect(() => parse(line)).toThrow(UsageError);
    expect(() => parse(line)).toThrow(sentence);
  });
});
