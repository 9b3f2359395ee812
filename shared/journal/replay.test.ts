import { expect, it } from 'vitest';
import { parkedOf } from '../testing/journal-samples.ts';
import type { ParkedEntry } from './journal.ts';
import { closedOf, firstIdentifier, isMeterRefusal, placeOf, replayOf, replaysMax } from './replay.ts';

const decision = { by: 'alice', why: 'because', atMs: 20 };

function replayed(parked: ParkedEntry): ParkedEntry {
  const replay = replayOf(parked, decision);
  if ('obstacle' in replay) throw new Error(replay.obstacle);
  return replay;
}

it('derives identifiers one from the other, and finds the first of them again', () => {
  const first = parkedOf(0, 'dead');
  const once = replayed(first);
  const twice = replayed({ ...once, state: 'in_doubt' });
  expect(once.entry.identifier).toBe(`${first.entry.identifier}-r1`);
  expect(twice.entry.identifier).toBe(`${first.entry.identifier}-r2`);
  expect(firstIdentifier(twice.entry.identifier)).toBe(first.entry.identifier);
});

it('keeps everything of the entry but its identifier, so that nothing else is billed than was counted', () => {
  const { entry, set } = parkedOf(0, 'in_doubt');
  const replay = replayed(parkedOf(0, 'in_doubt'));
  expect({ ...replay.entry, identifier: entry.identifier }).toEqual(entry);
  expect(replay).toMatchObject({ set, attempts: 0, parkedAtMs: 20, history: [{ state: 'in_doubt', decision }] });
  expect(replay).not.toHaveProperty('attemptedAtMs');
});

it('keeps answers of the newest life only, so that a record does not grow without an end', () => {
  const calls = [{ atMs: 1, answer: 'unknown: timeout' }];
  const once = replayed({ ...parkedOf(0, 'in_doubt'), calls });
  const twice = replayed({ ...once, state: 'dead', calls });
  expect(once.history).toMatchObject([{ calls }]);
  expect(twice.history?.map((past) => past.calls)).toEqual([undefined, calls]);
});

it('ends after 99 replays, with an identifier that Stripe still takes', () => {
  let parked = parkedOf(0, 'dead');
  const identifier = `tm1-${'f'.repeat(32)}-063-9007199254740991-${'a'.repeat(8)}-999999`;
  parked = { ...parked, entry: { ...parked.entry, identifier } };
  for (let replay = 0; replay < replaysMax; replay++) parked = { ...replayed(parked), state: 'dead', history: [] };
  expect(parked.entry.identifier.length).toBeLessThanOrEqual(100);
  expect(replayOf(parked, decision)).toEqual({ obstacle: 'it was replayed 99 times' });
});

it('leaves to its shard what is deferred', () => {
  expect(replayOf(parkedOf(0, 'deferred'), decision)).toHaveProperty('obstacle');
});

it('reads from an identifier where its entry is', () => {
  expect(placeOf('tm1-0af3-007-12-ab12cd34-5')).toEqual({ shard: 7, set: 12 });
  expect(placeOf('tm1-0af3-007-12-ab12cd34-5-r3')).toEqual({ shard: 7, set: 12 });
  expect(placeOf('evt_1')).toBeUndefined();
});

it('says when an entry ended, who ended it and why', () => {
  expect(closedOf(parkedOf(0, 'in_doubt'), 'billed', decision)).toMatchObject({
    state: 'billed',
    reason: 'No such customer',
    parkedAtMs: 20,
    decision,
  });
});

it('knows refusals for a missing or archived meter, whoever made them', () => {
  expect(isMeterRefusal({ state: 'dead', reason: 'no_meter: the provider has no meter named x' })).toBe(true);
  expect(isMeterRefusal({ state: 'dead', reason: 'archived_meter: No active meter found' })).toBe(true);
  expect(isMeterRefusal({ state: 'dead', reason: 'resource_missing: No such customer' })).toBe(false);
  expect(isMeterRefusal({ state: 'in_doubt', reason: 'no_meter: …' })).toBe(false);
});
