import { describe, expect, it } from 'vitest';
import { hourMs, minuteMs, outcomes, startRedisMs } from './testing/fixtures.ts';
import { driving, marked, TestShard } from './testing/test-shard.ts';

const leaseMs = 9_000;

describe('ShardCore, when its lease ends', () => {
  it.each([
    { type: 'ticked' },
    { type: 'written', answer: undefined },
    { type: 'lease_renewed', deadlineMs: hourMs, redisMs: startRedisMs },
    { type: 'channel_lost', generation: 1 },
  ] as const)('ends at $type without asking anybody, and says so once', (event) => {
    const shard = TestShard.open({ deadlineMs: leaseMs });
    shard.deliver(1);
    shard.nowMs = leaseMs;
    expect(shard.step(event)).toEqual([
      { type: 'close_channel', generation: 1 },
      { type: 'ended', reason: 'lease_expired' },
    ]);
    expect(shard.step(event)).toEqual([]);
    expect(shard.core.held).toBe(0);
  });

  it('ends at once when it hears that it was lost, whatever its deadline is', () => {
    const shard = marked(2);
    expect(shard.step({ type: 'lease_lost' })).toEqual([
      { type: 'close_channel', generation: 1 },
      { type: 'ended', reason: 'stale' },
    ]);
    expect(shard.core.takeCall(shard.nowMs)).toBeUndefined();
  });

  it('counts no delivery after that', () => {
    const shard = TestShard.open({ deadlineMs: leaseMs });
    shard.nowMs = leaseMs;
    shard.deliver(1);
    expect(shard.endedAs).toBe('lease_expired');
    expect(shard.core.memory.open.messages).toBe(0);
  });

  it('ends too while it is still loading, drains or hands over', () => {
    const loading = new TestShard({ deadlineMs: leaseMs });
    const draining = marked(2, leaseMs);
    draining.step({ type: 'drain', deadlineMs: hourMs });
    const closing = marked(2, leaseMs);
    closing.core.takeCall(0);
    closing.step({ type: 'hand_over' });
    for (const shard of [loading, draining, closing]) {
      shard.tick(leaseMs);
      expect(shard.endedAs).toBe('lease_expired');
    }
  });

  it('goes on with a renewal that came in time', () => {
    const shard = TestShard.open({ deadlineMs: leaseMs });
    shard.nowMs = leaseMs - 1;
    shard.step({ type: 'lease_renewed', deadlineMs: 2 * leaseMs, redisMs: startRedisMs + leaseMs });
    shard.tick(leaseMs);
    expect(shard.endedAs).toBeUndefined();
    shard.tick(1);
    expect(shard.endedAs).toBe('lease_expired');
  });

  // A process that was frozen finds the renewal in its socket. Somebody else may have had the shard in between.
  it('is not revived by a renewal that arrives after the deadline', () => {
    const shard = TestShard.open({ deadlineMs: leaseMs });
    shard.nowMs = leaseMs;
    shard.step({ type: 'lease_renewed', deadlineMs: 2 * leaseMs, redisMs: startRedisMs });
    expect(shard.endedAs).toBe('lease_expired');
  });

  it('starts no call that may outlast it', () => {
    const shard = marked(2, leaseMs);
    shard.nowMs = leaseMs - 5_000;
    expect(shard.core.takeCall(shard.nowMs)).toBeUndefined();
    shard.step({ type: 'lease_renewed', deadlineMs: leaseMs + 1, redisMs: startRedisMs });
    expect(shard.core.takeCall(shard.nowMs)).toBeDefined();
  });

  it('has started no call whose mark was not answered', () => {
    const shard = driving(2, leaseMs);
    expect(shard.write?.kind).toBe('mark');
    shard.noAnswer();
    expect(shard.core.takeCall(0)).toBeUndefined();
    shard.tick(leaseMs);
    shard.step({ type: 'written', answer: { answer: 'ok', redisMs: startRedisMs } });
    expect(shard.core.armed.size).toBe(0);
    expect(shard.core.takeCall(shard.nowMs)).toBeUndefined();
    expect(shard.acked).toBe(0);
  });

  it('takes the end of a call after that without a word', () => {
    const shard = marked(2, leaseMs);
    const call = shard.core.takeCall(0)!;
    shard.tick(leaseMs);
    call.ended(outcomes.accepted, shard.nowMs, true);
    expect(shard.tick()).toEqual([]);
  });
});

describe('ShardCore, when the journal says no', () => {
  it.each([
    { answer: 'stale', reason: 'stale' },
    { answer: 'number', reason: 'refused' },
    { answer: 'pending', reason: 'refused' },
  ] as const)(
    'to a commit with $answer: it discards everything, closes the channel and acks nothing',
    ({ answer, reason }) => {
      const shard = TestShard.open();
      shard.deliver(1);
      shard.tick(5 * minuteMs);
      shard.deliver(2);
      expect(shard.answer({ answer })).toEqual([
        { type: 'close_channel', generation: 1 },
        { type: 'ended', reason },
      ]);
      expect(shard.core.memory.open.messages).toBe(0);
      expect(shard.tick(hourMs)).toEqual([]);
    },
  );

  it.each(['stale', 'mismatch'] as const)(
    'to a mark, progress or completion with %s: it ends without an ack',
    (answer) => {
      const marking = driving(1);
      const completing = marked(1);
      completing.core.takeCall(0)!.ended(outcomes.accepted, 0, true);
      const progressing = marked(2);
      progressing.core.takeCall(0)!.ended(outcomes.accepted, 0, true);
      for (const shard of [marking, completing, progressing]) {
        shard.tick();
        shard.answer({ answer });
        expect(shard.endedAs).toBe(answer);
        expect(shard.acked).toBe(0);
      }
      expect([marking, progressing, completing].map((shard) => shard.kinds().at(-1))).toEqual([
        'mark',
        'progress',
        'complete',
      ]);
    },
  );
});
