import { expect, it } from 'vitest';
import { defaultDriveLimits } from '../lanes/drive-limits.ts';
import { newItem } from '../lanes/item.ts';
import { endCall, entry, itemsOf, outcomes, startRedisMs, takeMarked } from '../shard/testing/fixtures.ts';
import { Drive } from './drive.ts';

const { accepted, unknown } = outcomes;

it('tells since when an outcome has been unknown, in a lane and among the deferred, until it is known', () => {
  const drive = new Drive(defaultDriveLimits, () => 0.5);
  expect(drive.unresolvedSinceMs).toBe(Infinity);
  drive.startSet(itemsOf([entry()]), startRedisMs, 0);
  const item = takeMarked(drive, 1_000)!;
  endCall(drive, item, unknown, 1_000);
  expect(drive.unresolvedSinceMs).toBe(1_000);

  const deferred = Object.assign(newItem(entry({ customer: 'other' }), 1, undefined), { marked: true });
  drive.deferred.load({ ...deferred, unresolvedSinceMs: 400 }, 1_000);
  expect(drive.unresolvedSinceMs).toBe(400);

  const again = takeMarked(drive, 31_000)!;
  endCall(drive, again, accepted, 31_000);
  const last = takeMarked(drive, 61_000)!;
  endCall(drive, last, accepted, 61_000);
  expect(drive.unresolvedSinceMs).toBe(Infinity);
});
