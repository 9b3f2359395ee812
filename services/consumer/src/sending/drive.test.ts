import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultDriveLimits } from '../lanes/drive-limits.ts';
import { newItem, type Item } from '../lanes/item.ts';
import type { Outcome } from '../provider/provider.ts';
import {
  endCall,
  entries,
  entry,
  failCalls,
  hourMs,
  itemsOf,
  outcomes,
  startRedisMs,
  takeMarked,
  writeEnded,
} from '../shard/testing/fixtures.ts';
import { Drive } from './drive.ts';

const { accepted, refused, throttled, unauthorized, unsent, unknown } = outcomes;
const longestRetryMs = defaultDriveLimits.retry.maxMs;
/** Longer than the pause after the second failure, and too early for anything to make way. */
const laterMs = 10_000;

function newDrive(): Drive {
  return new Drive(defaultDriveLimits, () => 0.5);
}

describe('Drive', () => {
  it('takes nothing before its attempt is journaled', () => {
    const drive = newDrive();
    drive.startSet(itemsOf(entries(3)), startRedisMs, 0);
    expect(drive.take(0, startRedisMs)).toBeUndefined();
    drive.lanes.marked(drive.lanes.takeUnmarked(2), startRedisMs, 0);
    expect(drive.take(0, startRedisMs)).toBeDefined();
    expect(drive.take(0, startRedisMs)).toBeDefined();
    expect(drive.take(0, startRedisMs)).toBeUndefined();
  });

  it('is settled when every entry has ended', () => {
    const drive = newDrive();
    drive.startSet(itemsOf(entries(2)), startRedisMs, 0);
    for (let call = 0; call < 2; call++) {
      expect(drive.setIsSettled).toBe(false);
      endCall(drive, takeMarked(drive, 0)!, accepted, 0);
    }
    expect(drive.setIsSettled).toBe(true);
    expect(drive.hasParkedToWrite).toBe(false);
    expect(writeEnded(drive, 0)).toEqual({ settled: ['accepted', 'accepted'], parked: [] });
  });

  it('is settled from the start without entries', () => {
    const drive = newDrive();
    drive.startSet([], startRedisMs, 0);
    expect(drive.setIsSettled).toBe(true);
  });

  it.each([throttled, unauthorized, unsent, unknown])(
    'tries again after $kind, the same entry, after a pause',
    (outcome) => {
      const drive = newDrive();
      drive.startSet(itemsOf([entry()]), startRedisMs, 0);
      const item = takeMarked(drive, 0)!;
      endCall(drive, item, outcome, 0);
      expect(takeMarked(drive, 0)).toBeUndefined();
      expect(takeMarked(drive, defaultDriveLimits.retry.baseMs)).toBe(item);
    },
  );

  it('ends one entry as one thing only, in whatever order calls end', () => {
    const outcome = fc.constantFrom(accepted, refused, throttled, unsent, unknown);
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1, maxLength: 200, size: 'max' }), fc.nat(), (outcomes, seed) => {
        const drive = newDrive();
        const list = entries(8).map((listed, index) => ({ ...listed, customer: `cus_${index % 3}` }));
        drive.startSet(itemsOf(list), startRedisMs, 0);
        const out: Item[] = [];
        let nowMs = 0;
        for (const [step, ending] of outcomes.entries()) {
          const taken = takeMarked(drive, nowMs);
          if (taken !== undefined) {
            expect(out.map((item) => item.entry.customer)).not.toContain(taken.entry.customer);
            out.push(taken);
          }
          const [item] = out.splice((seed + step) % Math.max(1, out.length), 1);
          if (item !== undefined) endCall(drive, item, ending, nowMs);
          nowMs += 10_000;
        }
        const ended = drive.peekEnded(1_000);
        expect(new Set(ended.map(({ item }) => item.index)).size).toBe(ended.length);
        expect(drive.unsettled).toBe(8 - ended.length);
        for (const { as, parked } of ended) expect(parked?.state).toBe(as === 'accepted' ? undefined : as);
      }),
    );
  });

  describe('a refusal', () => {
    it('makes an entry dead with its reason when no attempt before it is unresolved', () => {
      const drive = newDrive();
      drive.startSet(itemsOf([entry()], 4), startRedisMs, 0);
      endCall(drive, takeMarked(drive, 0)!, refused, 100);
      expect(writeEnded(drive, 100).parked).toEqual([
        {
          entry: entry(),
          state: 'dead',
          reason: 'no such customer',
          attemptedAtMs: startRedisMs,
          attempts: 1,
          parkedAtMs: startRedisMs + 100,
          set: 4,
        },
      ]);
    });

    it.each([throttled, unauthorized, unsent])(
      'after $kind still means dead, for that was certainly not processed',
      (before) => {
        const drive = newDrive();
        drive.startSet(itemsOf([entry()]), startRedisMs, 0);
        endCall(drive, takeMarked(drive, 0)!, before, 0);
        endCall(drive, takeMarked(drive, laterMs)!, refused, laterMs);
        expect(writeEnded(drive, 0).settled).toEqual(['dead']);
      },
    );

    // The first call timed out and was counted; the customer was deleted before the second one.
    it('after an attempt without a certain answer means in doubt', () => {
      const drive = newDrive();
      drive.startSet(itemsOf([entry()]), startRedisMs, 0);
      endCall(drive, takeMarked(drive, 0)!, unknown, 0);
      endCall(drive, takeMarked(drive, laterMs)!, throttled, laterMs);
      endCall(drive, takeMarked(drive, 2 * laterMs)!, refused, 2 * laterMs);
      expect(writeEnded(drive, 0).parked).toMatchObject([
        { state: 'in_doubt', reason: expect.stringMatching(/no such customer/), attempts: 3 },
      ]);
    });

    it('of an entry that a predecessor may have sent means in doubt', () => {
      const drive = newDrive();
      const item = newItem(entry(), 1, 0);
      Object.assign(item, { marked: true, attemptedAtMs: startRedisMs, unresolvedSinceMs: 0 });
      drive.startSet([item], startRedisMs, 0);
      endCall(drive, takeMarked(drive, 0)!, refused, 0);
      expect(writeEnded(drive, 0).settled).toEqual(['in_doubt']);
    });

    it('known when the set was sealed is never sent', () => {
      const drive = newDrive();
      drive.startSet(itemsOf([entry({ refusal: 'no_meter' })]), startRedisMs, 0);
      expect(drive.setIsSettled).toBe(true);
      expect(drive.hasParkedToWrite).toBe(true);
      expect(takeMarked(drive, 0)).toBeUndefined();
      const [parked] = writeEnded(drive, 0).parked;
      expect(parked).toMatchObject({ state: 'dead', reason: 'no_meter', attempts: 0 });
      expect(parked).not.toHaveProperty('attemptedAtMs');
    });

    it('known when the set was sealed leaves the other entries of its lane alone', () => {
      const drive = newDrive();
      const refusal = 'no_meter';
      const [before, dead, after] = itemsOf([
        entry(),
        entry({ identifier: 'dead', refusal }),
        entry({ identifier: 'after' }),
      ]);
      drive.startSet([before!, dead!, after!], startRedisMs, 0);
      expect(takeMarked(drive, 0)).toBe(before);
      endCall(drive, before!, accepted, 0);
      expect(takeMarked(drive, 0)).toBe(after);
    });
  });

  describe('an outcome that stays unknown', () => {
    it('is tried up to 23 h after the first such attempt, and is in doubt from then on', () => {
      const drive = new Drive({ ...defaultDriveLimits, deferTail: { lanes: 0, afterMs: 0 } }, () => 0.5);
      drive.startSet(itemsOf([entry()]), startRedisMs, 0);
      drive.callEnded(takeMarked(drive, 1_000)!, unknown, 1_000, 31_000, startRedisMs, false);
      const lastMs = 1_000 + 23 * hourMs - 1;
      const item = takeMarked(drive, lastMs);
      expect(item).toBeDefined();
      endCall(drive, item!, unknown, lastMs, false);
      expect(takeMarked(drive, lastMs + longestRetryMs)).toBeUndefined();
      expect(writeEnded(drive, 0).settled).toEqual(['in_doubt']);
    });

    it('does not hold up the next entry of its lane once it is in doubt', () => {
      const drive = newDrive();
      const [first, second] = itemsOf([entry(), entry({ identifier: 'second' })]);
      Object.assign(first!, { marked: true, unresolvedSinceMs: -23 * hourMs });
      drive.startSet([first!, second!], startRedisMs, 0);
      expect(drive.take(0, startRedisMs)).toBeUndefined();
      expect(takeMarked(drive, 0)).toBe(second);
      expect(writeEnded(drive, 0).settled).toEqual(['in_doubt']);
    });

    it('is counted from the first of several attempts', () => {
      const drive = new Drive({ ...defaultDriveLimits, deferTail: { lanes: 0, afterMs: 0 } }, () => 0.5);
      drive.startSet(itemsOf([entry()]), startRedisMs, 0);
      endCall(drive, takeMarked(drive, 0)!, unknown, 0, false);
      endCall(drive, takeMarked(drive, 22 * hourMs)!, unknown, 22 * hourMs, false);
      expect(takeMarked(drive, 23 * hourMs)).toBeUndefined();
      expect(drive.setIsSettled).toBe(true);
    });
  });

  describe('an entry whose lane stays locked', () => {
    const { makeWayAfterMs } = defaultDriveLimits;

    /** Every call finds its lane locked, from now until then. */
    function findLocked(drive: Drive, fromMs: number, untilMs: number): void {
      for (let nowMs = fromMs; nowMs < untilMs; nowMs += 1_000)
        for (let item = takeMarked(drive, nowMs); item !== undefined; item = takeMarked(drive, nowMs))
          endCall(drive, item, throttled, nowMs);
    }

    it('never counts as failing, and makes way for the next set after half a minute', () => {
      const drive = newDrive();
      const items = itemsOf([entry()]);
      drive.startSet(items, startRedisMs, 0);
      findLocked(drive, 0, makeWayAfterMs);
      expect(drive.setIsSettled).toBe(false);
      expect(items[0]!.failures).toBe(0);
      drive.tick(makeWayAfterMs, startRedisMs);
      expect(writeEnded(drive, makeWayAfterMs).parked).toMatchObject([{ state: 'deferred', reason: '409' }]);
      expect(drive.deferred.size).toBe(1);
    });

    // More than ten entries of one lane never made way.
    it('makes way with everything that its set has for the lane, which is not called for that', () => {
      const drive = newDrive();
      const lane = entries(50, { customer: 'cus_1' });
      drive.startSet(itemsOf(lane), startRedisMs, 0);
      findLocked(drive, 0, makeWayAfterMs + 1_000);
      expect(writeEnded(drive, makeWayAfterMs).parked.map(({ attempts }) => attempts > 0)).toEqual(
        lane.map((_, index) => index === 0),
      );
    });

    // It was retried at the head of its lane, and the next set's entry behind it was never called.
    it('lets the next set have its lane when it was deferred already', () => {
      const drive = newDrive();
      drive.startSet(itemsOf([entry()]), startRedisMs, 0);
      findLocked(drive, 0, makeWayAfterMs + 1_000);
      writeEnded(drive, makeWayAfterMs + 1_000);
      const dueMs = makeWayAfterMs + 20_000;
      const deferred = takeMarked(drive, dueMs)!;
      expect(deferred.index).toBeUndefined();
      const next = newItem(entry({ identifier: 'next' }), 2, 0);
      drive.startSet([next], startRedisMs, dueMs);
      endCall(drive, deferred, throttled, dueMs);
      expect(takeMarked(drive, dueMs)).toBe(next);
      endCall(drive, next, throttled, dueMs);
      expect(writeEnded(drive, dueMs).settled).toEqual(['deferred']);
    });
  });

  describe('an entry that keeps failing', () => {
    it.each([unsent, unknown])('is deferred after five failures ($kind) while the breaker is closed', (outcome) => {
      const drive = newDrive();
      drive.startSet(itemsOf([entry()]), startRedisMs, 0);
      const nowMs = failCalls(drive, outcome, 4, 0);
      expect(drive.setIsSettled).toBe(false);
      failCalls(drive, outcome, 1, nowMs);
      expect(drive.setIsSettled).toBe(true);
      expect(writeEnded(drive, nowMs).parked).toMatchObject([
        { state: 'deferred', attempts: 5, reason: outcome.kind === 'unsent' ? 'no connection' : 'timeout' },
      ]);
      expect(drive.deferred.size).toBe(1);
    });

    const slowDown: Outcome = { kind: 'throttled', scope: 'account', limit: 'global-rate', reason: '429' };
    it.each([slowDown, unauthorized])('for $kind is not at fault and never deferred', (outcome) => {
      const drive = newDrive();
      drive.startSet(itemsOf([entry()]), startRedisMs, 0);
      failCalls(drive, outcome, 50, 0);
      expect(drive.setIsSettled).toBe(false);
    });

    it('while the breaker is not closed is not at fault, and not deferred', () => {
      const drive = newDrive();
      const lanes = defaultDriveLimits.deferTail.lanes + 1;
      drive.startSet(itemsOf(entries(lanes)), startRedisMs, 0);
      failCalls(drive, unknown, 2_000, 0, false);
      expect(drive.unsettled).toBe(lanes);
    });

    // Only customers that always fail were left in the sets of all shards: the breaker opened, each of its probes failed, and what the
    // other customers had used since waited in sets that could not be sealed.
    it('makes way after five minutes though the breaker is not closed, when only few lanes of the set are left', () => {
      const drive = newDrive();
      drive.startSet(itemsOf([...entries(2), entry({ identifier: 'behind', customer: 'cus_0' })]), startRedisMs, 0);
      const { afterMs } = defaultDriveLimits.deferTail;
      for (let nowMs = 0; nowMs < afterMs; nowMs += longestRetryMs) failCalls(drive, unknown, 2, nowMs, false);
      expect(drive.unsettled).toBe(3);
      drive.tick(afterMs + longestRetryMs, startRedisMs);
      expect(writeEnded(drive, afterMs).settled).toEqual(['deferred', 'deferred', 'deferred']);
    });

    // 30 of 50 customers failed, the breaker opened, and their failures counted no more: nothing was deferred.
    it('makes way after half a minute though the breaker is not closed, when another lane of its account was served', () => {
      const drive = newDrive();
      const all = entries(150);
      drive.startSet(itemsOf([...all, entry({ identifier: 'elsewhere', account: 'acct_1' })]), startRedisMs, 0);
      const { makeWayAfterMs } = defaultDriveLimits;
      failCalls(drive, unknown, 1, 0, false);
      drive.lanes.marked(drive.lanes.takeUnmarked(1_000), startRedisMs, 1);
      endCall(drive, drive.take(1, startRedisMs, 'acct_1')!, accepted, 1, false);
      drive.tick(2 * makeWayAfterMs, startRedisMs);
      expect(writeEnded(drive, makeWayAfterMs).settled).toEqual(['accepted']);
      endCall(drive, takeMarked(drive, 2 * makeWayAfterMs)!, accepted, 2 * makeWayAfterMs, false);
      drive.tick(3 * makeWayAfterMs, startRedisMs);
      const { settled, parked } = writeEnded(drive, 3 * makeWayAfterMs);
      expect(settled).toEqual(['accepted', 'deferred']);
      expect(parked.map(({ entry: { customer } }) => customer)).toEqual(['cus_0']);
      expect(drive.unsettled).toBe(148);
    });

    it('of a connected account makes way when anybody else is served: its account may have no other lane', () => {
      const drive = newDrive();
      const { makeWayAfterMs } = defaultDriveLimits;
      drive.startSet(itemsOf([entry({ account: 'acct_1' }), ...entries(150)]), startRedisMs, 0);
      drive.lanes.marked(drive.lanes.takeUnmarked(1_000), startRedisMs, 0);
      endCall(drive, drive.take(0, startRedisMs, 'acct_1')!, unknown, 0, false);
      endCall(drive, takeMarked(drive, 1)!, accepted, 1, false);
      drive.tick(makeWayAfterMs, startRedisMs);
      expect(writeEnded(drive, makeWayAfterMs).settled).toEqual(['accepted', 'deferred']);
    });

    it('takes its lane with it when it fails in a lane that is known to fail', () => {
      const drive = newDrive();
      const lane = entries(4, { customer: 'cus_1' });
      drive.startSet(itemsOf(lane), startRedisMs, 0);
      const nowMs = failCalls(drive, unsent, 5, 0);
      expect(writeEnded(drive, nowMs).settled).toEqual(['deferred']);
      failCalls(drive, unsent, 1, nowMs);
      writeEnded(drive, nowMs);
      expect(drive.setIsSettled).toBe(true);
      expect(drive.deferred.size).toBe(4);
    });

    it('frees its lane when it is deferred', () => {
      const drive = newDrive();
      const [first, second] = itemsOf([entry(), entry({ identifier: 'second' })]);
      drive.startSet([first!, second!], startRedisMs, 0);
      const nowMs = failCalls(drive, unsent, 5, 0);
      expect(takeMarked(drive, nowMs)).toBe(second);
    });

    it('is tried on and on when 1,000 are deferred already', () => {
      const drive = new Drive({ ...defaultDriveLimits, deferredMax: 1_000 }, () => 0.5);
      drive.startSet(itemsOf(entries(1_001)), startRedisMs, 0);
      let nowMs = 0;
      for (let round = 0; round < 8; round++, nowMs += longestRetryMs) {
        for (let item = takeMarked(drive, nowMs); item !== undefined; item = takeMarked(drive, nowMs))
          endCall(drive, item, unsent, nowMs);
      }
      expect(drive.unsettled).toBe(1);
      expect(writeEnded(drive, nowMs).settled).toHaveLength(1_000);
      expect(drive.deferred.size).toBe(1_000);
    });
  });
});
