import { describe, expect, it } from 'vitest';
import type { MeterList } from '../meters/meter-list.ts';
import { catalogOf, meter, minuteMs, outcomes, requestsCatalog, shardLimits, usageEvent } from './testing/fixtures.ts';
import { TestShard } from './testing/test-shard.ts';

/**
 * Lists of meters that cannot be read. Only 401 and 403 for a connected account were understood: any other failure, of its list or
 * of the platform's own, kept the whole set from being sealed. One event of such an account, or one misspelt meter
 * while the platform's list answered 500, and none of 20 other customers was billed, without a word.
 */
const account = 'acct_1';
const own = usageEvent({ id: 'own' });
const ofAccount = [usageEvent({ id: 'a', account }), usageEvent({ id: 'b', account })];
const misspelt = [usageEvent({ id: 'a', meter: 'reqeusts' }), usageEvent({ id: 'b', meter: 'reqeusts' })];
const failed = 'HTTP 500: no answer of Stripe';

function due(events: ReturnType<typeof usageEvent>[], limits = {}): TestShard {
  const shard = TestShard.open({ limits });
  shard.deliver(1, { events });
  shard.tick(5 * minuteMs);
  return shard;
}

function accountsList(shard: TestShard, list: Partial<MeterList>): void {
  const unreadable = { reason: failed, sinceMs: shard.nowMs };
  const connected = new Map([[account, { unreadable, ...list }]]) as never;
  shard.step({ type: 'catalog_read', catalog: { ...requestsCatalog, connected }, account });
}

function platformFails(shard: TestShard, sinceMs = shard.nowMs): void {
  const unreadable = { reason: failed, sinceMs };
  shard.step({ type: 'catalog_read', catalog: { ...requestsCatalog, unreadable }, account: '' });
}

/** Everything that can be called is accepted, and every write answered, until nothing happens any more. */
function serve(shard: TestShard): string[] {
  const called: string[] = [];
  for (let round = 0; round < 100; round++) {
    if (shard.write !== undefined) shard.answer();
    for (const name of ['', account]) {
      for (let call = shard.core.takeCall(shard.nowMs, name); call; call = shard.core.takeCall(shard.nowMs, name)) {
        called.push(`${call.entry.account ?? ''} ${call.entry.meter} ${call.entry.value}`);
        call.ended(outcomes.accepted, shard.nowMs, true);
      }
    }
    shard.tick(250);
  }
  return called;
}

describe("a connected account's list that cannot be read", () => {
  it('holds up nobody: the others are billed, and its events are deferred one by one', () => {
    const shard = due([own, ...ofAccount]);
    expect(shard.write).toBeUndefined();
    accountsList(shard, {});
    expect(serve(shard)).toEqual([' requests 1']);
    expect(shard.acked).toBe(1);
    expect(shard.core.flight.drive.outcomes).toMatchObject({ accepted: 1, deferred: 2 });
  });

  it('holds up nobody for more than ten seconds if nothing at all is heard of it', () => {
    const shard = due([own, ...ofAccount]);
    shard.tick(9_999);
    expect(shard.write).toBeUndefined();
    shard.tick(1);
    expect(shard.write).toMatchObject({ commit: { entries: [{ events: 1 }, { events: 1 }, { events: 1 }] } });
    expect(serve(shard)).toEqual([' requests 1']);
    expect(shard.acked).toBe(1);
  });

  it('is made up for: its events are sent once the list is there', () => {
    const shard = due([own, ...ofAccount]);
    accountsList(shard, {});
    serve(shard);
    accountsList(shard, { ...catalogOf(meter('requests')), askedAtMs: shard.nowMs });
    shard.tick(minuteMs);
    expect(serve(shard)).toEqual([`${account} requests 1`, `${account} requests 1`]);
  });

  it('does not keep its meters from being used that are known from before', () => {
    const shard = TestShard.open();
    accountsList(shard, { ...catalogOf(meter('requests')), askedAtMs: 0 });
    shard.deliver(1, { events: ofAccount });
    shard.tick(5 * minuteMs);
    expect(serve(shard)).toEqual([`${account} requests 2`]);
  });
});

describe("a meter that is not known while the platform's own list cannot be read", () => {
  it('holds up nobody: the others are billed, and its events are deferred one by one', () => {
    const shard = due([own, ...misspelt]);
    platformFails(shard);
    expect(serve(shard)).toEqual([' requests 1']);
    expect(shard.acked).toBe(1);
    expect(shard.core.flight.drive.outcomes).toMatchObject({ accepted: 1, deferred: 2, dead: 0 });
  });

  it('is refused once a newer list does not have it, and sent once one has', () => {
    for (const [names, expected] of [
      [['requests'], []],
      [
        ['requests', 'reqeusts'],
        [' reqeusts 1', ' reqeusts 1'],
      ],
    ] as const) {
      const shard = due([own, ...misspelt]);
      platformFails(shard);
      serve(shard);
      const catalog = { ...catalogOf(...names.map((name) => meter(name))), askedAtMs: shard.nowMs };
      shard.step({ type: 'catalog_read', catalog, account: '' });
      shard.tick(minuteMs);
      expect(serve(shard)).toEqual(expected);
      expect(shard.core.flight.drive.outcomes.dead).toBe(2 - expected.length);
    }
  });

  it('takes the room of no lane that fails', () => {
    const shard = due([own, ...misspelt]);
    const { deferred } = shard.core.flight.drive;
    const { free } = deferred;
    platformFails(shard);
    serve(shard);
    expect([deferred.size, deferred.free]).toEqual([2, free]);
  });

  // 10,000 of them, in whatever number of meters, are kept apart; the next one would have had the set wait for room that never comes.
  it('is parked merged, after a minute, as far as there is no room for its events one by one', () => {
    const many = [...misspelt, usageEvent({ id: 'c', meter: 'tokenz', value: '5' })];
    const drive = { ...shardLimits().drive, closedMax: 2 };
    const shard = due([own, ...many, usageEvent({ id: 'd', meter: 'tokenz', value: '7' })], { drive });
    platformFails(shard);
    expect(shard.write).toBeUndefined();
    shard.tick(minuteMs);
    expect(shard.write).toMatchObject({
      commit: {
        entries: [
          { meter: 'requests' },
          { meter: 'reqeusts', events: 1 },
          { meter: 'reqeusts', events: 1 },
          { meter: 'tokenz', value: '12', events: 2, refusal: expect.stringMatching(/^no_meter: nobody could tell/) },
        ],
      },
    });
    serve(shard);
    expect(shard.acked).toBe(1);
  });

  // Each set waited for that minute anew, and the others with it.
  it('is so at once when the list could not be read for a minute already', () => {
    const drive = { ...shardLimits().drive, closedMax: 1 };
    const shard = due([own, ...misspelt], { drive });
    platformFails(shard, shard.nowMs - minuteMs);
    expect(shard.write).toMatchObject({
      commit: { entries: [{ meter: 'requests' }, { meter: 'reqeusts', events: 2, value: '2' }] },
    });
  });
});
