import { expect, it } from 'vitest';
import type { ParkedEntry, PastLife } from '../../../../shared/journal/journal.ts';
import { entry, meter, metersOf } from '../shard/testing/fixtures.ts';
import { replayer } from './awaited-meters.ts';
import { isToBeReplayed } from './returned-meters.ts';

const askedRedisMs = 1_000;
const times = { askedMs: askedRedisMs, nowMs: 2_000 };
const requests = metersOf(meter('requests'));

function found(said: Partial<ParkedEntry> = {}): { readonly record: ParkedEntry } {
  const reason = 'archived_meter: No active meter found';
  return { record: { entry: entry(), state: 'dead', reason, attempts: 1, parkedAtMs: 900, set: 1, ...said } };
}

function replays(times: number): readonly PastLife[] {
  return Array.from({ length: times }, (_, index) => ({
    identifier: `entry-r${index}`,
    state: 'dead' as const,
    reason: 'archived_meter',
    attempts: 1,
    parkedAtMs: 1,
    decision: { by: replayer, why: 'the meter is back', atMs: 1 },
  }));
}

it('replays what was refused for its meter, once a newer list of meters has it', () => {
  expect(isToBeReplayed(found(), requests, times)).toBe(true);
  const never = found({
    reason: 'no_meter: none',
    entry: entry({ refusal: 'no_meter: none', events: 7 }),
    attempts: 0,
  });
  expect(isToBeReplayed(never, requests, times)).toBe(true);
});

const cases: readonly [what: string, found: { readonly record: ParkedEntry }, meters?: typeof requests][] = [
  ['what was refused for something else', found({ reason: 'resource_missing: No such customer' })],
  ['what is in doubt', found({ state: 'in_doubt' })],
  ['what was refused after the list was asked for', found({ parkedAtMs: askedRedisMs })],
  ['an entry of another meter', found({ entry: entry({ meter: 'seats' }) })],
  ['an entry of a meter that is still archived', found(), metersOf(meter('requests', 'sum', { archived: true }))],
  [
    'a sum of events that its meter would take for one',
    found({ entry: entry({ refusal: 'no_meter: none', events: 7 }) }),
    metersOf(meter('requests', 'count')),
  ],
  [
    'what was merged for another meter of that name',
    found({ entry: entry({ events: 3 }) }),
    metersOf(meter('requests', 'last', { id: 'mtr_2', namesakes: [{ id: 'mtr_1', formula: 'sum' }] })),
  ],
  ['what was replayed by itself five times in vain', found({ history: replays(5) })],
];

it.each(cases)('leaves alone %s', (_, parked, meters = requests) => {
  expect(isToBeReplayed(parked, meters, times)).toBe(false);
});
