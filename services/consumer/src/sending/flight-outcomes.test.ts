import { describe, expect, it } from 'vitest';
import {
  catalogOf,
  deferredAfterCalls,
  committed,
  countCustomers,
  entries,
  entry,
  hourMs,
  mark,
  meter,
  minuteMs,
  newFlight,
  noSums,
  nextWrite,
  ok,
  outcomes,
  pendingSet,
  requestsCatalog,
  shardLimits,
  shardState,
  startRedisMs,
  steadyRandom,
  takeCall,
  totalsAre,
} from '../shard/testing/fixtures.ts';
import { Flight } from './flight.ts';

const { accepted, refused, unsent, unknown } = outcomes;

describe('a set in flight', () => {
  describe('tells the journal how entries ended', () => {
    it('while others go on, at most every 250 ms', () => {
      const { flight } = committed('cus_1', 'cus_2', 'cus_3');
      mark(flight);
      takeCall(flight).ended(accepted, 0, true);
      expect(nextWrite(flight)).toMatchObject({ kind: 'progress', settled: new Map([[0, 'accepted']]), parked: [] });
      flight.written(ok(), 10);
      takeCall(flight, 10).ended(refused, 20, true);
      expect(flight.nextWrite(249, true)).toBeUndefined();
      expect(nextWrite(flight, 250)).toMatchObject({
        settled: new Map([[1, 'dead']]),
        parked: [{ state: 'dead', set: 1 }],
      });
    });

    it('in the same write that parks it, before the set is complete', () => {
      const { flight } = committed('cus_1', 'cus_2');
      mark(flight);
      takeCall(flight).ended(accepted, 0, true);
      takeCall(flight).ended(refused, 0, true);
      expect(nextWrite(flight)).toMatchObject({
        kind: 'progress',
        settled: new Map([
          [0, 'accepted'],
          [1, 'dead'],
        ]),
        parked: [{ state: 'dead', reason: 'no such customer' }],
      });
      expect(flight.settledThrough).toBe(0);
      flight.written(ok(), 0);
      expect(nextWrite(flight).kind).toBe('complete');
    });

    it('in several writes when there is too much for one, all of them before the set is complete', () => {
      const catalog = catalogOf(meter('requests', 'sum', { eventTimeWindow: 'hour' }));
      const { flight, memory } = newFlight();
      countCustomers(
        memory,
        flight,
        Array.from({ length: 5_000 }, (_, customer) => `cus_${customer}`),
      );
      flight.seal(memory, catalog, true, 0);
      const kinds: string[] = [];
      let parked = 0;
      for (let written = flight.nextWrite(0, true); written !== undefined; written = flight.nextWrite(0, true)) {
        kinds.push(written.kind);
        if (written.kind === 'progress') parked += written.parked.length + written.additions.length;
        if (written.kind === 'read_sums') flight.written(noSums(), 0);
        else flight.written(written.kind === 'read_totals' ? totalsAre(new Map()) : ok(), 0);
      }
      const told = Array.from({ length: 10 }, () => ['read_sums', 'progress']).flat();
      expect(kinds).toEqual(['read_totals', 'commit', ...told, 'complete']);
      expect(parked).toBe(5_000);
    });

    it('at once when it is told to stop', () => {
      const { flight } = committed('cus_1', 'cus_2', 'cus_3');
      mark(flight);
      takeCall(flight).ended(accepted, 0, true);
      nextWrite(flight);
      flight.written(ok(), 0);
      takeCall(flight).ended(accepted, 1, true);
      expect(flight.isQuiet).toBe(false);
      expect(nextWrite(flight, 1, false)).toMatchObject({ kind: 'progress', settled: new Map([[1, 'accepted']]) });
      expect(flight.isQuiet).toBe(false);
      flight.written(ok(), 1);
      expect(flight.isQuiet).toBe(true);
    });

    it('and what ended while that was being written with the next one', () => {
      const { flight } = committed('cus_1', 'cus_2', 'cus_3');
      mark(flight);
      takeCall(flight).ended(accepted, 0, true);
      nextWrite(flight);
      takeCall(flight).ended(refused, 0, true);
      flight.written(ok(), 0);
      expect(nextWrite(flight, 250)).toMatchObject({ settled: new Map([[1, 'dead']]) });
    });
  });

  it('is not quiet while a call is under way, whatever it may be of', () => {
    const { flight } = newFlight(shardState({ next: 2, deferred: [deferredAfterCalls()] }));
    flight.tick(10_000);
    const underWay = takeCall(flight, 10_000);
    expect(flight.isQuiet).toBe(false);
    underWay.ended(accepted, 10_000, true);
    expect(nextWrite(flight, 10_000, false)).toEqual({
      kind: 'settle_deferred',
      identifier: entry().identifier,
      outcome: 'accepted',
    });
    expect(flight.isQuiet).toBe(false);
    flight.written(ok(), 10_000);
    expect(flight.isQuiet).toBe(true);
    expect(flight.drive.deferred.size).toBe(0);
  });

  it('defers what keeps failing, and settles its set without it', () => {
    const { flight } = committed('cus_1');
    mark(flight);
    let nowMs = 0;
    for (let failed = 0; failed < 5; failed++, nowMs += 30_000) {
      flight.tick(nowMs);
      takeCall(flight, nowMs).ended(unsent, nowMs, true);
    }
    expect(nextWrite(flight, nowMs)).toMatchObject({
      kind: 'progress',
      settled: new Map([[0, 'deferred']]),
      parked: [{ state: 'deferred' }],
    });
    flight.written(ok(nowMs), nowMs);
    expect(nextWrite(flight, nowMs).kind).toBe('complete');
    flight.written(ok(nowMs), nowMs);
    expect(flight).toMatchObject({ settledThrough: 1, drive: { deferred: { size: 1 } } });
    flight.tick(nowMs + 10_000);
    takeCall(flight, nowMs + 10_000).ended(refused, nowMs + 10_000, true);
    expect(nextWrite(flight, nowMs + 10_000)).toMatchObject({
      kind: 'settle_deferred',
      outcome: { state: 'dead', set: 1 },
    });
  });

  describe('inherits a pending set', () => {
    it('and drives what has not ended, with the same identifiers', () => {
      const [first, second, third] = entries(3);
      const pending = pendingSet({
        set: 4,
        entries: [first!, second!, third!],
        settled: new Map([[1, 'dead']]),
        attemptedAtMs: new Map([[0, startRedisMs]]),
      });
      const { flight } = newFlight(shardState({ next: 5, pending }));
      expect(flight).toMatchObject({
        pendingSet: 4,
        settledThrough: 3,
        next: 5,
        drive: { unsettled: 2 },
        calls: { armed: new Map([['', 1]]) },
      });
      const again = takeCall(flight);
      expect(again.entry).toBe(first);
      expect(nextWrite(flight)).toMatchObject({ kind: 'mark', set: 4, token: pending.token, entries: [2] });
      flight.written(ok(), 0);
      again.ended(accepted, 0, true);
      takeCall(flight).ended(accepted, 0, true);
      expect(nextWrite(flight)).toMatchObject({ kind: 'complete', set: 4, token: pending.token });
    });

    it('that has ended already, and only completes it', () => {
      const { flight } = newFlight(
        shardState({ next: 2, pending: pendingSet({ settled: new Map([[0, 'deferred']]) }) }),
      );
      expect(nextWrite(flight)).toMatchObject({ kind: 'complete', set: 1 });
    });

    it('whose entries its predecessor may have sent: a refusal leaves them in doubt', () => {
      const { flight } = newFlight(
        shardState({ next: 2, pending: pendingSet({ attemptedAtMs: new Map([[0, startRedisMs]]) }) }),
      );
      takeCall(flight).ended(refused, 0, true);
      expect(nextWrite(flight)).toMatchObject({ settled: new Map([[0, 'in_doubt']]) });
    });

    // The journal's answer was on its way for a second, in which the attempt grew older too.
    it('with attempts as old as the journal says, counted from before it was asked', () => {
      const attemptedAtMs = new Map([[0, startRedisMs - 23 * hourMs + minuteMs]]);
      const state = shardState({ next: 2, pending: pendingSet({ attemptedAtMs }) });
      for (const { nowMs, starts } of [
        { nowMs: 1_000 + minuteMs - 1, starts: true },
        { nowMs: 1_000 + minuteMs, starts: false },
      ]) {
        const flight = new Flight({ ...shardLimits(), random: steadyRandom() });
        flight.load(state, 1_000, 2_000);
        expect(flight.calls.take(nowMs, '', requestsCatalog) !== undefined).toBe(starts);
        if (!starts) expect(nextWrite(flight, nowMs)).toMatchObject({ settled: new Map([[0, 'in_doubt']]) });
      }
    });

    it('and what is deferred beside it, as old as it is', () => {
      const parked = { entry: entry(), state: 'deferred', reason: '', attempts: 5, parkedAtMs: 0, set: 1 } as const;
      const attemptedAtMs = startRedisMs - 23 * hourMs + 10_000;
      const { flight } = newFlight(shardState({ next: 2, deferred: [{ ...parked, attemptedAtMs }] }));
      expect(flight.drive.deferred.size).toBe(1);
      flight.tick(10_000);
      expect(flight.calls.take(10_000, '', requestsCatalog)).toBeUndefined();
      expect(nextWrite(flight, 10_000)).toMatchObject({ kind: 'settle_deferred', outcome: { state: 'in_doubt' } });
    });
  });

  it('counts calls that stay unknown as attempts of the time when they began', () => {
    const { flight } = committed('cus_1');
    mark(flight);
    takeCall(flight, 0).ended(unknown, 30_000, false);
    flight.tick(23 * hourMs);
    expect(flight.calls.take(23 * hourMs, '', requestsCatalog)).toBeUndefined();
    expect(nextWrite(flight, 23 * hourMs)).toMatchObject({ settled: new Map([[0, 'in_doubt']]) });
  });
});
