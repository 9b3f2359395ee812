import { describe, expect, it } from 'vitest';
import { hourMs, minuteMs, pendingSet, shardState, usageEvent } from './testing/fixtures.ts';
import { TestShard, typesOf } from './testing/test-shard.ts';

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
      { type: 'discarded', messages: 2, events: 2 },
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

// A person deleted the queue of a shard: what consumers had taken and not sealed, up to a flush interval of usage, was discarded as if
// it would be delivered again. It was answered 202 and never billed.
describe('ShardCore, when the broker cancels its consumer', () => {
  const cancelled = { type: 'channel_lost', generation: 1, isCancelled: true } as const;

  it('seals at once what it has counted, since it may never come again', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.deliver(2);
    expect(shard.step(cancelled)).not.toContainEqual(expect.objectContaining({ type: 'discarded' }));
    expect(shard.write).toMatchObject({ commit: { set: 1, entries: [{ value: '2', events: 2 }] } });
    shard.openChannel();
    shard.settle();
    expect(shard.kinds()).toEqual(['commit', 'mark', 'complete']);
    expect(shard.acked).toBe(0);
  });

  it('counts nothing of it again if it comes again all the same', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.step(cancelled);
    shard.openChannel();
    shard.deliver(1);
    shard.deliver(2);
    expect(shard.core.memory.open.events).toBe(1);
    expect(shard.acked).toBe(0);
    shard.settle();
    expect(shard.acked).toBe(1);
  });

  it('does so while it drains, too', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.deliver(2);
    shard.step({ type: 'drain', deadlineMs: minuteMs });
    shard.step(cancelled);
    shard.settle();
    expect(shard.kinds()).toEqual(['commit', 'mark', 'complete']);
    expect(shard.endedAs).toBe('released');
  });

  it('seals no second set beside one that is in flight, and tells how much it forgets', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.tick(5 * minuteMs);
    const commit = shard.write;
    shard.deliver(2);
    shard.deliver(3);
    expect(shard.step(cancelled)).toContainEqual({ type: 'discarded', messages: 2, events: 2 });
    expect(shard.write).toBe(commit);
    expect(shard.core.flight.next).toBe(2);
  });

  it('seals nothing for the news of an older channel', () => {
    const shard = TestShard.open();
    shard.reopenChannel();
    shard.deliver(1);
    shard.step(cancelled);
    expect(shard.writes).toEqual([]);
    expect(shard.core.memory.open.events).toBe(1);
  });
});

describe('ShardCore, prefetch', () => {
  it('grows on an open channel, and is asked of the next one from the start', () => {
    const shard = TestShard.open({ limits: { flushEvents: 1_000_000 } });
    shard.tick();
    for (let sequence = 1; sequence < 1_000; sequence++) shard.deliver(sequence);
    const [effect] = shard.tick(5_000);
    expect(effect).toMatchObject({ type: 'set_prefetch', generation: 1 });
    expect(shard.core.prefetch).toBeGreaterThan(4_000);
    expect(shard.step({ type: 'channel_lost', generation: 1 })).toEqual([
      { type: 'discarded', messages: 999, events: 999 },
      { type: 'open_channel', generation: 2, prefetch: shard.core.prefetch },
    ]);
  });

  it('is not changed while there is no channel', () => {
    const shard = TestShard.open({ limits: { flushEvents: 1_000_000 } });
    shard.tick();
    for (let sequence = 1; sequence < 1_000; sequence++) shard.deliver(sequence);
    shard.step({ type: 'channel_lost', generation: 1 });
    expect(shard.tick(5_000)).toEqual([]);
  });
});
