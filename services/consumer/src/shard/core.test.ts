import { describe, expect, it } from 'vitest';
import {
  catalogOf,
  dayMs,
  entry,
  hourMs,
  meter,
  minuteMs,
  pendingSet,
  shardState,
  startRedisMs,
  usageEvent,
} from './testing.ts';
import { TestShard, typesOf } from './test-shard.ts';

describe('ShardCore, loading', () => {
  it('reads the journal first, and opens a channel when it knows what was counted', () => {
    const shard = new TestShard();
    expect(shard.core.start()).toEqual([{ type: 'load' }]);
    expect(shard.tick()).toEqual([]);
    expect(shard.step({ type: 'loaded', state: shardState(), askedAtMs: 0 })).toEqual([
      { type: 'open_channel', generation: 1, prefetch: 4_000 },
    ]);
    expect(shard.core.life).toBe('owned');
  });

  it('ends where the journal belongs to a newer epoch, without a channel', () => {
    const shard = new TestShard();
    expect(shard.step({ type: 'loaded', state: 'stale', askedAtMs: 0 })).toEqual([{ type: 'ended', reason: 'stale' }]);
  });

  it.each([{ type: 'hand_over' }, { type: 'drain', deadlineMs: 1_000 }] as const)('ends at once at $type', (event) => {
    const shard = new TestShard();
    expect(shard.step(event)).toEqual([{ type: 'ended', reason: 'released' }]);
    expect(shard.step({ type: 'loaded', state: shardState(), askedAtMs: 0 })).toEqual([]);
  });

  it('counts deliveries while it drives a set that it inherited', () => {
    const shard = TestShard.open({ state: shardState({ next: 2, pending: pendingSet() }) });
    expect(shard.write).toMatchObject({ kind: 'mark', set: 1 });
    shard.deliver(1);
    shard.tick(hourMs);
    expect(shard.kinds()).toEqual(['mark']);
    expect(shard.core.memory.open.events).toBe(1);
    shard.settle();
    expect(shard.kinds()).toEqual(['mark', 'complete', 'commit', 'mark', 'complete']);
    expect(shard.acked).toBe(1);
  });
});

describe('ShardCore, custody', () => {
  it('acks a message only when the completion of its set is answered', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.deliver(2);
    shard.commit();
    expect(shard.write?.kind).toBe('mark');
    shard.answer();
    shard.core.takeCall(shard.nowMs)?.ended({ kind: 'accepted' }, shard.nowMs, true);
    shard.tick();
    expect(shard.write?.kind).toBe('complete');
    expect(shard.acked).toBe(0);
    expect(typesOf(shard.answer())).toEqual(['ack']);
    expect(shard.acked).toBe(2);
    expect(shard.core.held).toBe(0);
  });

  it('acks nothing while a completion is not answered', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.commit();
    shard.answer();
    shard.core.takeCall(shard.nowMs)?.ended({ kind: 'accepted' }, shard.nowMs, true);
    shard.tick();
    const completion = shard.write;
    for (let failed = 0; failed < 5; failed++) {
      shard.noAnswer();
      shard.tick(2_001);
      expect(shard.write).toBe(completion);
      expect(shard.acked).toBe(0);
    }
    shard.answer();
    expect(shard.acked).toBe(1);
  });

  it('does not ack over the set in flight what came after it', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.commit();
    shard.deliver(2);
    shard.settle();
    expect(shard.acked).toBe(1);
  });

  it('keeps a repetition of an open message as long as the first copy', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.deliver(1);
    shard.tick();
    expect(shard.acked).toBe(0);
    expect(shard.core.memory.open.messages).toBe(1);
    shard.commit();
    shard.settle();
    expect(shard.acked).toBe(2);
  });

  it('keeps a covered message until the newest pending set settles, for that may be the one which covers it', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.commit();
    shard.reopenChannel();
    shard.deliver(1);
    shard.tick();
    expect(shard.acked).toBe(0);
    expect(shard.core.memory.open.messages).toBe(0);
    shard.settle();
    expect(shard.acked).toBe(1);
  });

  it('acks a covered message at the next tick when no set is pending', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.commit();
    shard.settle();
    shard.reopenChannel();
    shard.deliver(1);
    expect(shard.tick()).toEqual([{ type: 'ack', generation: 2, tag: 1 }]);
    expect(shard.core.memory.open.messages).toBe(0);
  });

  it('keeps a covered message behind one that is open', () => {
    const shard = TestShard.open({ state: shardState({ cursors: new Map([['7/producer', '1;1;1']]) }) });
    shard.deliver(2);
    shard.deliver(1);
    shard.tick();
    expect(shard.acked).toBe(0);
  });

  it('settles and acks a message that held nothing but duplicates, with a set of its own', () => {
    const shard = TestShard.open();
    const events = [usageEvent()];
    shard.deliver(1, { events });
    shard.commit();
    shard.settle();
    shard.deliver(2, { events });
    shard.commit();
    expect(shard.writes.at(-2)).toMatchObject({
      kind: 'commit',
      commit: { set: 2, entries: [], cursors: { size: 1 } },
    });
    expect(shard.write).toMatchObject({ kind: 'complete', set: 2 });
    expect(shard.acked).toBe(1);
    shard.answer();
    expect(shard.acked).toBe(2);
  });

  describe('of an unreadable message', () => {
    it("is the broker's until the copy is confirmed, and of everything behind it", () => {
      const shard = TestShard.open();
      shard.deliver(1);
      const tag = shard.deliverUnreadable();
      shard.deliver(2);
      shard.commit();
      shard.settle();
      expect(shard.acked).toBe(1);
      shard.step({ type: 'dead_letter_confirmed', generation: 1, tag });
      expect(shard.acked).toBe(3);
    });

    it('does not end with the confirmation of a copy from another channel', () => {
      const shard = TestShard.open();
      const tag = shard.deliverUnreadable();
      shard.reopenChannel();
      expect(shard.deliverUnreadable()).toBe(tag);
      shard.step({ type: 'dead_letter_confirmed', generation: 1, tag });
      expect(shard.acked).toBe(0);
      shard.step({ type: 'dead_letter_confirmed', generation: 2, tag });
      expect(shard.acked).toBe(1);
    });
  });
});

describe('ShardCore, when its channel is lost', () => {
  it('forgets what was not sealed, and counts it once when it is delivered again', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.deliver(2);
    expect(shard.step({ type: 'channel_lost', generation: 1 })).toEqual([
      { type: 'open_channel', generation: 2, prefetch: 4_000 },
    ]);
    expect(shard.core.held).toBe(0);
    shard.openChannel();
    shard.deliver(2);
    shard.deliver(1);
    shard.deliver(1);
    shard.commit();
    expect(shard.writes[0]).toMatchObject({ commit: { entries: [{ value: '2', events: 2 }] } });
  });

  it('repeats a commit that is under way, unchanged, and counts nothing of it again', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.tick(5 * minuteMs);
    const commit = shard.write;
    shard.reopenChannel();
    shard.noAnswer();
    shard.deliver(1);
    shard.deliver(2);
    shard.tick(5_000);
    expect(shard.write).toBe(commit);
    shard.answer();
    expect(shard.acked).toBe(0);
    expect(shard.core.memory.open.events).toBe(1);
    shard.settle();
    expect(shard.acked).toBe(1);
    shard.commit();
    shard.settle();
    expect(shard.acked).toBe(2);
  });

  it('drops late deliveries of it, before and after the next one is open', () => {
    const shard = TestShard.open();
    shard.step({ type: 'channel_lost', generation: 1 });
    shard.deliver(1, { generation: 1 });
    shard.openChannel();
    shard.deliver(1, { generation: 1 });
    shard.step({ type: 'unreadable', generation: 1, tag: 9 });
    expect(shard.core.held).toBe(0);
    expect(shard.core.memory.open.messages).toBe(0);
    expect(shard.core.memory.cursors.size).toBe(0);
  });

  it('does not take the news of an older channel for its own', () => {
    const shard = TestShard.open();
    shard.reopenChannel();
    shard.deliver(1);
    expect(shard.step({ type: 'channel_lost', generation: 1 })).toEqual([]);
    shard.step({ type: 'channel_opened', generation: 1 });
    expect(shard.core.held).toBe(1);
  });

  it('asks for the next one when that one is lost before it was open', () => {
    const shard = TestShard.open();
    shard.step({ type: 'channel_lost', generation: 1 });
    expect(shard.step({ type: 'channel_lost', generation: 2 })).toMatchObject([
      { type: 'open_channel', generation: 3 },
    ]);
  });
});

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

  describe('with a meter that the catalog does not have', () => {
    const tokens = { events: [usageEvent({ meter: 'tokens', value: '2' }), usageEvent({ meter: 'tokens', id: 'b' })] };

    it('asks for a newer catalog first, and merges by the formula that it brings', () => {
      const shard = TestShard.open();
      shard.deliver(1, tokens);
      expect(shard.tick(5 * minuteMs)).toEqual([{ type: 'need_catalog' }]);
      shard.step({ type: 'catalog_read', catalog: catalogOf(meter('tokens')) });
      expect(shard.write).toMatchObject({ commit: { entries: [{ meter: 'tokens', value: '3' }] } });
    });

    it('waits while the catalog is an older one', () => {
      const shard = TestShard.open();
      shard.deliver(1, tokens);
      shard.tick(5 * minuteMs);
      expect(shard.tick(minuteMs)).toEqual([{ type: 'need_catalog' }]);
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
});
