import { describe, expect, it } from 'vitest';
import {
  catalogOf,
  dayMs,
  entry,
  hourMs,
  meter,
  minuteMs,
  shardState,
  startRedisMs,
  usageEvent,
} from './testing/fixtures.ts';
import { TestShard } from './testing/test-shard.ts';

describe('ShardCore, sealing', () => {
  const full = { limits: { flushEvents: 3 } };

  it('seals when the set is full', () => {
    const shard = TestShard.open(full);
    shard.deliver(1, { events: [usageEvent({ id: 'a' }), usageEvent({ id: 'b' })] });
    shard.tick();
    expect(shard.write).toBeUndefined();
    shard.deliver(2);
    shard.tick();
    expect(shard.write).toMatchObject({ kind: 'commit', commit: { entries: [{ events: 3 }] } });
  });

  it('seals when its oldest message has been held for the interval, also without an event that counts', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.tick(4 * minuteMs);
    shard.deliver(2);
    shard.tick(minuteMs - 1);
    expect(shard.write).toBeUndefined();
    shard.tick(1);
    expect(shard.write?.kind).toBe('commit');
  });

  it('does not seal nothing', () => {
    const shard = TestShard.open();
    shard.tick(dayMs / 2);
    expect(shard.writes).toEqual([]);
  });

  it('seals when half of the prefetch is held, so that the broker never has to stop', () => {
    const shard = TestShard.open({ limits: { flushEvents: 1_000_000 } });
    for (let sequence = 1; sequence < 2_000; sequence++) shard.deliver(sequence);
    shard.tick();
    expect(shard.write).toBeUndefined();
    shard.deliver(2_000);
    shard.tick();
    expect(shard.write?.kind).toBe('commit');
  });

  it('does not seal while a set is pending: the next one grows', () => {
    const shard = TestShard.open(full);
    for (let sequence = 1; sequence <= 3; sequence++) shard.deliver(sequence);
    shard.tick();
    for (let sequence = 4; sequence <= 12; sequence++) shard.deliver(sequence);
    shard.tick(hourMs);
    shard.answer();
    shard.settle();
    expect(shard.writes.flatMap((write) => (write.kind === 'commit' ? [write.commit.entries[0]?.events] : []))).toEqual(
      [3, 9],
    );
  });

  it('keeps the age of a set that waited for the one before it', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.commit();
    shard.deliver(2);
    shard.nowMs += 6 * minuteMs;
    shard.settle();
    expect(shard.kinds()).toEqual(['commit', 'mark', 'complete', 'commit', 'mark', 'complete']);
  });

  // A sidecar whose clock is an hour ahead would make ids expire an hour early.
  it('takes no message for newer than Redis says it can be', () => {
    const idSets = [
      { set: 1, settledAtMs: startRedisMs - 30 * minuteMs, ids: [{ slot: 7, bytes: new Uint8Array(16) }] },
    ];
    const shard = TestShard.open({ state: shardState({ next: 2, idSets }) });
    shard.deliver(1, { receivedAtMs: startRedisMs + hourMs });
    shard.commit();
    expect(shard.writes[0]).toMatchObject({ commit: { forgottenIdSets: [] } });
  });

  // Simulation, seeds 49 and 50678: a consumer froze with a repeated event in its channel, which had come within the window.
  // The next owner counted younger messages and forgot the id; then the broker gave the stranded one up, and it counted again.
  it('forgets no ids before the broker has noticed every consumer that was there before', () => {
    const shard = TestShard.open({ limits: { dedupWindowMs: minuteMs, strandedMs: hourMs } });
    shard.deliver(1);
    shard.commit();
    shard.settle();
    shard.nowMs = hourMs - 1;
    shard.deliver(2);
    shard.commit();
    shard.settle();
    shard.deliver(3);
    shard.commit();
    const commits = shard.writes.flatMap((write) => (write.kind === 'commit' ? [write.commit] : []));
    expect(commits.map(({ forgottenIdSets }) => forgottenIdSets)).toEqual([[], [], [1]]);
  });

  it('forgets ids with the first set whose messages are all younger than settlement and window', () => {
    const shard = TestShard.open({ limits: { dedupWindowMs: hourMs, strandedMs: 0 } });
    const events = [usageEvent()];
    shard.deliver(1, { events });
    shard.commit();
    shard.settle();
    shard.nowMs += hourMs;
    shard.deliver(2, { events });
    shard.commit();
    expect(shard.writes.at(-1)).toMatchObject({ kind: 'complete', set: 2 });
    shard.settle();
    shard.nowMs += 1;
    shard.deliver(3, { events });
    shard.commit();
    shard.settle();
    const commits = shard.writes.flatMap((write) => (write.kind === 'commit' ? [write.commit] : []));
    expect(commits.map(({ entries, forgottenIdSets }) => [entries.length, forgottenIdSets])).toEqual([
      [1, []],
      [0, []],
      [0, [1]],
    ]);
    shard.deliver(4, { events });
    expect(shard.core.memory.open.events).toBe(1);
  });

  describe('with a meter that the catalog does not have', () => {
    const tokens = { events: [usageEvent({ meter: 'tokens', value: '2' }), usageEvent({ meter: 'tokens', id: 'b' })] };

    it('asks for a newer catalog first, and merges by the formula that it brings', () => {
      const shard = TestShard.open();
      shard.deliver(1, tokens);
      expect(shard.tick(5 * minuteMs)).toEqual([{ type: 'need_catalog', account: '' }]);
      shard.step({ type: 'catalog_read', catalog: catalogOf(meter('tokens')) });
      expect(shard.write).toMatchObject({ commit: { entries: [{ meter: 'tokens', value: '3' }] } });
    });

    it('waits while the catalog is an older one', () => {
      const shard = TestShard.open();
      shard.deliver(1, tokens);
      shard.tick(5 * minuteMs);
      expect(shard.tick(9_999)).toEqual([{ type: 'need_catalog', account: '' }]);
      expect(shard.write).toBeUndefined();
    });

    it('seals its events as dead once a catalog that was asked for later does not have it either', () => {
      const shard = TestShard.open();
      shard.deliver(1, tokens);
      shard.tick(5 * minuteMs);
      shard.step({ type: 'catalog_read', catalog: { ...catalogOf(), askedAtMs: shard.nowMs } });
      expect(shard.write).toMatchObject({ commit: { entries: [{ refusal: expect.stringMatching(/^no_meter/) }] } });
      shard.answer();
      expect(shard.write).toMatchObject({
        kind: 'progress',
        parked: [
          {
            state: 'dead',
            entry: entry({
              identifier: expect.any(String),
              meter: 'tokens',
              value: '3',
              events: 2,
              windowStartMs: startRedisMs,
              refusal: expect.any(String),
            }),
          },
        ],
      });
    });

    // Found by the simulation (seed 189232324): the list was read for one customer's usage, the meter created, and another
    // customer's usage, which came after that and before the answer, was dead on the word of the list.
    it('does not take a meter for missing on the word of a catalog that is older than a customer of it', () => {
      const shard = TestShard.open();
      shard.deliver(1, tokens);
      shard.tick(5 * minuteMs);
      const askedAtMs = shard.nowMs;
      shard.nowMs += 10;
      shard.deliver(2, { events: [usageEvent({ meter: 'tokens', customer: 'cus_late', value: '5' })] });
      shard.step({ type: 'catalog_read', catalog: { ...catalogOf(), askedAtMs } });
      // It holds nobody up: the late customer's events stay apart, and are judged by a newer list when they are called.
      expect(shard.write).toMatchObject({
        commit: {
          entries: [
            { value: '3', refusal: expect.stringContaining('no_meter') },
            { customer: 'cus_late', value: '5' },
          ],
        },
      });
      expect(shard.write).not.toHaveProperty('commit.entries.1.refusal');
    });

    // Created while the set grew: the provider takes its usage by the time of the flush.
    it('does not take a meter for missing on the word of a catalog that is older than the flush', () => {
      const shard = TestShard.open();
      shard.deliver(1, tokens);
      shard.nowMs += 1_000;
      shard.step({ type: 'catalog_read', catalog: { ...catalogOf(), askedAtMs: shard.nowMs } });
      expect(shard.tick(5 * minuteMs)).toEqual([{ type: 'need_catalog', account: '' }]);
      shard.step({ type: 'catalog_read', catalog: { ...catalogOf(meter('tokens')), askedAtMs: shard.nowMs } });
      expect(shard.write).toMatchObject({ commit: { entries: [{ meter: 'tokens', value: '3' }] } });
    });

    // A meter made after the catalog was asked for: usage of it came before the answer, and would have been dead.
    it('does not take a meter for missing on the word of a catalog that is older than its first event', () => {
      const shard = TestShard.open();
      shard.deliver(1, { events: [usageEvent({ meter: 'typo' })] });
      shard.tick(5 * minuteMs);
      const askedAtMs = shard.nowMs + 10;
      shard.nowMs += 1_000;
      shard.deliver(2, tokens);
      shard.step({ type: 'catalog_read', catalog: { ...catalogOf(), askedAtMs } });
      expect(shard.write).toBeUndefined();
      shard.step({ type: 'catalog_read', catalog: { ...catalogOf(meter('tokens')), askedAtMs: shard.nowMs } });
      expect(shard.write).toMatchObject({
        commit: {
          entries: [
            { meter: 'typo', refusal: expect.any(String) },
            { meter: 'tokens', value: '3' },
          ],
        },
      });
    });
  });

  // 4,000 messages of 500 events of a count meter are 1.95 million entries. They were sealed as one set: 2.1 s in which nothing else
  // happened, then `Invalid string length`, for ever, because the failure was kept with the commit.
  describe('a set that is full', () => {
    const calls = catalogOf(meter('requests', 'count'));
    const events = (name: string) =>
      Array.from({ length: 3 }, (_, index) => usageEvent({ id: `${name}-${index}`, customer: `cus_${index}` }));
    const open = () =>
      TestShard.open({ catalog: calls, limits: { flushEvents: 1_000_000, set: { each: 5, bytes: 1_000_000 } } });
    const sealed = (shard: TestShard) =>
      shard.writes.flatMap((write) => (write.kind === 'commit' ? [write.commit.entries.length] : []));

    it('is sealed, and a message enters whole', () => {
      const shard = open();
      shard.deliver(1, { events: events('a') });
      shard.tick();
      expect(shard.write).toBeUndefined();
      shard.deliver(2, { events: events('b') });
      shard.tick();
      expect(sealed(shard)).toEqual([6]);
    });

    it('is as full by its bytes', () => {
      const shard = TestShard.open({ limits: { flushEvents: 1_000_000, set: { each: 5, bytes: 700 } } });
      shard.deliver(1, { events: events('a') });
      shard.tick();
      expect(sealed(shard)).toEqual([3]);
    });

    it('lets what comes meanwhile wait, in its order, and acks it after the set that it enters then', () => {
      const shard = open();
      for (let sequence = 1; sequence <= 7; sequence++) shard.deliver(sequence, { events: events(`m${sequence}`) });
      shard.deliver(3, { events: events('m3') });
      shard.tick();
      expect(sealed(shard)).toEqual([6]);
      expect(shard.acked).toBe(0);
      shard.settle();
      expect(sealed(shard)).toEqual([6, 6, 6]);
      expect(shard.acked).toBe(6);
      shard.tick(300_000);
      shard.settle();
      expect(sealed(shard)).toEqual([6, 6, 6, 3]);
      expect(shard.acked).toBe(8);
    });

    it('forgets what waits when the channel is lost: the broker delivers it again', () => {
      const shard = open();
      for (let sequence = 1; sequence <= 4; sequence++) shard.deliver(sequence, { events: events(`m${sequence}`) });
      shard.reopenChannel();
      expect(shard.core.held).toBe(0);
      for (let sequence = 1; sequence <= 4; sequence++) shard.deliver(sequence, { events: events(`m${sequence}`) });
      shard.tick();
      shard.settle();
      expect(sealed(shard)).toEqual([6, 6]);
      expect(shard.acked).toBe(4);
    });

    it('settles what waits before it drains', () => {
      const shard = open();
      for (let sequence = 1; sequence <= 5; sequence++) shard.deliver(sequence, { events: events(`m${sequence}`) });
      shard.step({ type: 'drain', deadlineMs: 60_000 });
      shard.settle();
      expect(sealed(shard)).toEqual([6, 6, 3]);
      expect(shard.acked).toBe(5);
      expect(shard.endedAs).toBe('released');
    });
  });
});
