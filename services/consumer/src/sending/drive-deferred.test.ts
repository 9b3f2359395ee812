import { describe, expect, it } from 'vitest';
import { defaultDriveLimits } from '../lanes/drive-limits.ts';
import { newItem } from '../lanes/item.ts';
import {
  endCall,
  entries,
  entry,
  failCalls,
  hourMs,
  itemsOf,
  minuteMs,
  outcomes,
  startRedisMs,
  takeMarked,
  writeEnded,
} from '../shard/testing/fixtures.ts';
import { Drive } from './drive.ts';

const { accepted, refused, unsent, unknown } = outcomes;

function newDrive(random = 0.5): Drive {
  return new Drive(defaultDriveLimits, () => random);
}

/** A drive with one entry that is deferred, and the time when that was written. */
function deferOne(random = 0.5): { readonly drive: Drive; readonly nowMs: number } {
  const drive = newDrive(random);
  drive.startSet(itemsOf([entry()]), startRedisMs, 0);
  const nowMs = failCalls(drive, unsent, 5, 0);
  expect(writeEnded(drive, nowMs).settled).toEqual(['deferred']);
  return { drive, nowMs };
}

describe('a lane with a deferred entry', () => {
  // Every set had an entry of the customer that always fails, each was tried five times, and the next set of everybody else waited for that.
  it('has what it uses after that deferred at the first failure', () => {
    const { drive, nowMs } = deferOne();
    const [again, other] = [entry({ identifier: 'again' }), entry({ identifier: 'other', customer: 'cus_2' })];
    drive.startSet(itemsOf([again, other], 2), startRedisMs, nowMs);
    for (let call = 0; call < 2; call++) endCall(drive, takeMarked(drive, nowMs)!, unsent, nowMs);
    expect(writeEnded(drive, nowMs).parked.map(({ entry: { identifier } }) => identifier)).toEqual(['again']);
  });

  it('has to fail five times again once that one has ended', () => {
    const { drive, nowMs } = deferOne();
    const laterMs = nowMs + 15_000;
    endCall(drive, takeMarked(drive, laterMs)!, accepted, laterMs);
    drive.startSet(itemsOf([entry({ identifier: 'again' })], 2), startRedisMs, laterMs);
    endCall(drive, takeMarked(drive, laterMs)!, unsent, laterMs);
    expect(drive.unsettled).toBe(1);
  });
});

describe('a connected account that is closed', () => {
  const account = 'acct_1';

  /** A drive that has deferred so many of its entries. */
  function deferClosed(count: number, limits: Partial<typeof defaultDriveLimits>): Drive {
    const drive = new Drive({ ...defaultDriveLimits, ...limits }, () => 0.5);
    drive.accounts.changed(account, 'this account is revoked', 0);
    drive.startSet(itemsOf(entries(count, { account })), startRedisMs, 0);
    drive.tick(0, startRedisMs);
    writeEnded(drive, 0);
    return drive;
  }

  // With more than 1,000 of its entries deferred nothing of the shard went on, for as long as the account was revoked.
  it('has its entries deferred beyond the room that there is for what fails', () => {
    const drive = deferClosed(5, { deferredMax: 2 });
    expect(drive.setIsSettled).toBe(true);
    expect(drive.deferred.size).toBe(5);
  });

  it('takes the room neither of what fails nor of replays', () => {
    const drive = deferClosed(5, { deferredMax: 2, replaysMax: 1 });
    expect(drive.deferred.roomForReplays).toBe(1);
    drive.startSet(itemsOf([entry({ identifier: 'fails', customer: 'cus_fails' })], 2), startRedisMs, 0);
    failCalls(drive, unsent, 5, 0);
    expect(writeEnded(drive, 0).settled).toEqual(['deferred']);
  });

  it('takes it again once the account is open', () => {
    const drive = deferClosed(5, { replaysMax: 6 });
    drive.accounts.changed(account, undefined, 0);
    expect(drive.deferred.roomForReplays).toBe(1);
  });

  it('has no more deferred than the journal is to hold', () => {
    const drive = deferClosed(5, { closedMax: 3 });
    expect(drive.deferred.size).toBe(3);
    expect(drive.unsettled).toBe(2);
  });
});

describe('a deferred entry', () => {
  it.each([0, 0.5, 0.999])(
    'is tried after 10 s at most, then at doubling intervals up to 10 min (random %d)',
    (random) => {
      const drive = newDrive(random);
      drive.deferred.load(Object.assign(newItem(entry(), 1, undefined), { marked: true }), 0);
      const waits: number[] = [];
      let fromMs = 0;
      for (let nowMs = 0; waits.length < 12; nowMs += 500) {
        const item = takeMarked(drive, nowMs);
        if (item === undefined) continue;
        endCall(drive, item, unsent, nowMs);
        waits.push(nowMs - fromMs);
        fromMs = nowMs;
      }
      expect(waits[0]).toBeLessThanOrEqual(10_000);
      for (const [index, wait] of waits.entries()) {
        const ceilingMs = Math.min(10 * minuteMs, 10_000 * 2 ** index);
        expect(wait).toBeLessThanOrEqual(ceilingMs + 500);
        expect(wait).toBeGreaterThanOrEqual(ceilingMs / 2);
      }
    },
  );

  it('is not tried before the journal has it as deferred', () => {
    const drive = newDrive();
    drive.startSet(itemsOf([entry()]), startRedisMs, 0);
    const nowMs = failCalls(drive, unsent, 5, 0);
    expect(takeMarked(drive, nowMs + hourMs)).toBeUndefined();
    writeEnded(drive, nowMs + hourMs);
    expect(takeMarked(drive, nowMs + 2 * hourMs)).toMatchObject({ entry: entry(), index: undefined });
  });

  it('ends outside of its set, and is counted as deferred until the journal knows', () => {
    const { drive, nowMs } = deferOne();
    endCall(drive, takeMarked(drive, nowMs + 10_000)!, accepted, nowMs + 10_000);
    expect(drive.endedToWrite).toBe(0);
    expect(drive.deferred.peekEnd()).toEqual({ entry: entry(), outcome: 'accepted' });
    expect(drive.deferred.size).toBe(1);
    drive.deferred.endWritten();
    expect(drive.deferred.size).toBe(0);
    expect(drive.deferred.peekEnd()).toBeUndefined();
  });

  it('is dead when it is refused, for none of its failures may have been processed', () => {
    const { drive, nowMs } = deferOne();
    endCall(drive, takeMarked(drive, nowMs + 10_000)!, refused, nowMs + 10_000);
    expect(drive.deferred.peekEnd()?.outcome).toMatchObject({ state: 'dead', reason: 'no such customer' });
  });

  it('is in doubt when it is refused after an attempt without a certain answer, before or after it was deferred', () => {
    const { drive, nowMs } = deferOne();
    endCall(drive, takeMarked(drive, nowMs + 10_000)!, unknown, nowMs + 10_000);
    endCall(drive, takeMarked(drive, nowMs + minuteMs)!, refused, nowMs + minuteMs);
    expect(drive.deferred.peekEnd()?.outcome).toMatchObject({ state: 'in_doubt' });
  });

  it('is in doubt 23 h after an unknown outcome', () => {
    const { drive, nowMs } = deferOne();
    endCall(drive, takeMarked(drive, nowMs + 10_000)!, unknown, nowMs + 10_000);
    expect(takeMarked(drive, nowMs + 10_000 + 23 * hourMs)).toBeUndefined();
    expect(drive.deferred.peekEnd()?.outcome).toMatchObject({ state: 'in_doubt' });
  });

  it('waits in line behind the call of its lane that is under way, and holds the next one up for one call only', () => {
    const { drive, nowMs } = deferOne();
    const [first, second] = itemsOf([entry({ identifier: 'first' }), entry({ identifier: 'second' })], 2);
    drive.startSet([first!, second!], startRedisMs, nowMs);
    expect(takeMarked(drive, nowMs)).toBe(first);
    expect(takeMarked(drive, nowMs + 10_000)).toBeUndefined();
    endCall(drive, first!, accepted, nowMs + 10_000);
    expect(takeMarked(drive, nowMs + 10_000)).toBe(second);
    endCall(drive, second!, accepted, nowMs + 10_000);
    const deferred = takeMarked(drive, nowMs + 10_000)!;
    expect(deferred.entry).toEqual(entry());
    const third = newItem(entry({ identifier: 'third' }), 3, 0);
    drive.startSet([third], startRedisMs, nowMs + 10_000);
    expect(takeMarked(drive, nowMs + 10_000)).toBeUndefined();
    endCall(drive, deferred, unsent, nowMs + 10_000);
    expect(takeMarked(drive, nowMs + 10_000)).toBe(third);
  });
});
