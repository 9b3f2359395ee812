import { describe, expect, it } from 'vitest';
import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { replayOf } from '../../../../shared/journal/replay.ts';
import { replayObstacle } from '../meters/refusals.ts';
import type { Formula, Meter, Outcome } from '../provider/provider.ts';
import {
  committed,
  entry,
  hourMs,
  meter,
  metersOf,
  minuteMs,
  newFlight,
  nextWrite,
  ok,
  outcomes,
  requestsCatalog,
  shardState,
  startRedisMs,
  catalogOf,
} from '../shard/testing/fixtures.ts';
import type { Flight } from './flight.ts';
import type { JournalWrite } from './write.ts';

const { accepted, refused, unknown } = outcomes;
const decision = { by: 'alice', why: 'the customer exists now', atMs: startRedisMs - minuteMs };

function replay(index: number, said: Partial<ParkedEntry['entry']> = {}): ParkedEntry {
  const dead: ParkedEntry = {
    entry: entry({ identifier: `tm1-incarnation-007-1-token-${index}`, customer: `cus_${index}`, ...said }),
    state: 'dead',
    reason: 'no such customer',
    attempts: 1,
    attemptedAtMs: startRedisMs - hourMs,
    parkedAtMs: startRedisMs - hourMs,
    set: 1,
  };
  const put = replayOf(dead, decision);
  if ('obstacle' in put) throw new Error(put.obstacle);
  return put;
}

function look(flight: Flight, nowMs = 0): JournalWrite & { kind: 'peek_replays' } {
  const write = nextWrite(flight, nowMs);
  if (write.kind !== 'peek_replays') throw new Error(`Instead of a look for replays it writes: ${write.kind}.`);
  return write;
}

function take(flight: Flight, nowMs = 0): JournalWrite & { kind: 'take_replays' } {
  const write = nextWrite(flight, nowMs);
  if (write.kind !== 'take_replays') throw new Error(`Instead of taking replays it writes: ${write.kind}.`);
  return write;
}

/** The shard's owner hears of these replays, and takes them. */
function takeAll(flight: Flight, replays: readonly ParkedEntry[], nowMs = 0): void {
  flight.replaysWait(replays.length);
  look(flight, nowMs);
  flight.written({ answer: 'ok', redisMs: startRedisMs + nowMs, replays }, nowMs);
  take(flight, nowMs);
  const taken = replays.map((taking) => taking.entry.identifier);
  flight.written({ answer: 'ok', redisMs: startRedisMs + nowMs, taken }, nowMs);
}

function call(flight: Flight, outcome: Outcome, nowMs = 0, meters = requestsCatalog.meters): string {
  const started = flight.calls.take(nowMs, '', { meters, askedAtMs: nowMs });
  if (started === undefined) throw new Error('No call may start.');
  started.ended(outcome, nowMs, true);
  return started.entry.identifier;
}

describe('a replay', () => {
  it('is looked for only when the journal says that some wait', () => {
    const { flight } = newFlight();
    expect(flight.nextWrite(0, true)).toBeUndefined();
    flight.replaysWait(3);
    expect(look(flight)).toEqual({ kind: 'peek_replays', max: 64 });
    flight.written({ answer: 'ok', redisMs: startRedisMs, replays: [] }, 0);
    expect(flight.nextWrite(0, true)).toBeUndefined();
  });

  it('is not called before the journal has it as deferred, with the time of the look as its attempt', () => {
    const { flight } = newFlight();
    flight.replaysWait(1);
    look(flight);
    flight.written({ answer: 'ok', redisMs: startRedisMs + 5, replays: [replay(0)] }, 0);
    expect(flight.calls.take(0, '', requestsCatalog)).toBeUndefined();
    expect(take(flight).replays).toEqual([{ ...replay(0), attemptedAtMs: startRedisMs + 5 }]);
    expect(flight.calls.take(0, '', requestsCatalog)).toBeUndefined();
    flight.written({ answer: 'ok', redisMs: startRedisMs + 6, taken: [replay(0).entry.identifier] }, 0);
    expect(call(flight, accepted)).toBe('tm1-incarnation-007-1-token-0-r1');
  });

  it('is taken by name again when the answer is lost, and no other one instead', () => {
    const { flight } = newFlight();
    flight.replaysWait(2);
    look(flight);
    flight.written({ answer: 'ok', redisMs: startRedisMs, replays: [replay(0)] }, 0);
    const first = take(flight);
    flight.written(undefined, 0);
    expect(take(flight, minuteMs)).toBe(first);
  });

  it('is not called if a person has discarded it between the look and the taking', () => {
    const { flight } = newFlight();
    flight.replaysWait(2);
    look(flight);
    flight.written({ answer: 'ok', redisMs: startRedisMs, replays: [replay(0), replay(1)] }, 0);
    take(flight);
    flight.written({ answer: 'ok', redisMs: startRedisMs, taken: [replay(1).entry.identifier] }, 0);
    expect(call(flight, accepted)).toBe(replay(1).entry.identifier);
    expect(flight.calls.take(0, '', requestsCatalog)).toBeUndefined();
  });

  it('ends as closed when it is accepted, with what became of it before', () => {
    const { flight } = newFlight();
    takeAll(flight, [replay(0)]);
    call(flight, accepted, 10);
    expect(nextWrite(flight, 10)).toMatchObject({
      kind: 'settle_deferred',
      identifier: 'tm1-incarnation-007-1-token-0-r1',
      outcome: { state: 'accepted', attempts: 1, history: [{ reason: 'no such customer', decision }] },
    });
  });

  it('is dead again when it is refused: nothing of it can have been processed', () => {
    const { flight } = newFlight();
    takeAll(flight, [replay(0)]);
    call(flight, refused);
    expect(nextWrite(flight)).toMatchObject({ outcome: { state: 'dead', history: [{}], attempts: 1 } });
  });

  it('keeps its identifier and is tried again later when its outcome is unknown, and says what was answered', () => {
    const { flight } = newFlight();
    takeAll(flight, [replay(0)]);
    call(flight, unknown);
    expect(flight.calls.take(0, '', requestsCatalog)).toBeUndefined();
    flight.tick(10_000);
    expect(call(flight, refused, 10_000)).toBe('tm1-incarnation-007-1-token-0-r1');
    expect(nextWrite(flight, 10_000)).toMatchObject({
      outcome: { state: 'in_doubt', attempts: 2, calls: [{ atMs: startRedisMs, answer: 'unknown: timeout' }] },
    });
  });

  it('counts as attempted for the next owner, who cannot know better', () => {
    const inherited = { ...replay(0), attemptedAtMs: startRedisMs - minuteMs };
    const { flight } = newFlight(shardState({ deferred: [inherited] }));
    flight.tick(10_000);
    call(flight, refused, 10_000);
    expect(nextWrite(flight, 10_000)).toMatchObject({ outcome: { state: 'in_doubt', history: [{}] } });
  });

  it('waits for the call of its lane that is under way (invariant 10)', () => {
    const { flight } = committed('cus_0');
    const marking = nextWrite(flight);
    expect(marking.kind).toBe('mark');
    flight.written(ok(), 0);
    const underWay = flight.calls.take(0, '', requestsCatalog);
    takeAll(flight, [replay(0)]);
    expect(flight.calls.take(0, '', requestsCatalog)).toBeUndefined();
    underWay?.ended(accepted, 0, true);
    expect(call(flight, accepted)).toBe('tm1-incarnation-007-1-token-0-r1');
  });

  it('leaves room for entries that have to be deferred: some hundred at a time, the others wait in the journal', () => {
    const { flight } = newFlight();
    for (let from = 0; from < 384; from += 64)
      takeAll(
        flight,
        Array.from({ length: 64 }, (_, index) => replay(from + index)),
      );
    flight.replaysWait(1_000);
    expect(look(flight)).toEqual({ kind: 'peek_replays', max: 16 });
    flight.written(
      { answer: 'ok', redisMs: startRedisMs, replays: Array.from({ length: 16 }, (_, index) => replay(500 + index)) },
      0,
    );
    const { replays } = take(flight);
    flight.written({ answer: 'ok', redisMs: startRedisMs, taken: replays.map((taken) => taken.entry.identifier) }, 0);
    expect(flight.nextWrite(0, true)).toBeUndefined();
    call(flight, accepted);
    expect(nextWrite(flight).kind).toBe('settle_deferred');
    flight.written(ok(), 0);
    expect(look(flight).max).toBe(1);
  });

  it('is not taken any more once the shard is being handed over', () => {
    const { flight } = newFlight();
    flight.replaysWait(1);
    expect(flight.nextWrite(0, false)).toBeUndefined();
    expect(flight.isQuiet).toBe(true);
  });

  it('of an entry that was never sent goes only to a meter that adds up', () => {
    const { flight } = newFlight();
    takeAll(flight, [replay(0, { refusal: 'no_meter: …', events: 3 })]);
    const counting = { ...catalogOf(meter('requests', 'count')), askedAtMs: 1 };
    expect(flight.calls.take(1, '', counting)).toBeUndefined();
    expect(nextWrite(flight)).toMatchObject({
      outcome: { state: 'dead', attempts: 0, reason: expect.stringMatching(/^replay_is_a_sum: 3 events/) },
    });
  });
});

describe('what speaks against a replay', () => {
  const never = { meter: 'requests', refusal: 'no_meter: …', events: 2 };
  const cases: readonly [what: string, meters: readonly Meter[], expected: string | undefined][] = [
    ['nothing, if the meter is a sum now', [meter('requests')], undefined],
    ['the meter that is still missing', [], 'no_meter'],
    ['a window that events overwrite', [meter('requests', 'sum', { eventTimeWindow: 'day' })], 'meter_has_event_time'],
    ['a meter that keeps the last value', [meter('requests', 'last')], 'replay_is_a_sum'],
    ['a meter that counts events', [meter('requests', 'count')], 'replay_is_a_sum'],
  ];
  it.each(cases)('is %s', (_, meters, expected) => {
    const obstacle = replayObstacle(never, metersOf(...meters));
    expect(obstacle?.slice(0, expected?.length)).toBe(expected);
  });

  it('is nothing for one event', () => {
    expect(replayObstacle({ ...never, events: 1 }, metersOf(meter('requests', 'last')))).toBeUndefined();
  });

  // A meter was archived, its usage of 10, 20 and 30 refused, and the name given to a meter with another formula. What had been
  // merged for the first was replayed to the second by itself: `sum → last` billed 60 instead of 30, `last → sum` 30 instead
  // of 60, `sum → count` 1 instead of 3.
  const sent = { meter: 'requests', events: 3 };
  const anew: readonly [before: Formula, now: Formula, refused: boolean][] = [
    ['sum', 'sum', false],
    ['last', 'last', false],
    ['sum', 'last', true],
    ['sum', 'count', true],
    ['last', 'sum', true],
    ['last', 'count', true],
  ];
  it.each(anew)(
    'is a meter made anew with another formula, whatever was sent before: %s → %s',
    (before, now, refused) => {
      const meters = metersOf(meter('requests', now, { id: 'mtr_2', namesakes: [{ id: 'mtr_1', formula: before }] }));
      const expected = refused ? expect.stringMatching(/^replay_is_a_sum: 3 events/) : undefined;
      expect(replayObstacle({ ...sent, meterId: 'mtr_1' }, meters)).toEqual(expected);
      // In a journal that has no ids.
      expect(replayObstacle(sent, meters)).toEqual(expected);
      expect(replayObstacle({ ...sent, meterId: 'mtr_2' }, meters)).toEqual(
        now === 'count' ? expect.stringMatching(/^replay_is_a_sum/) : undefined,
      );
    },
  );
});
