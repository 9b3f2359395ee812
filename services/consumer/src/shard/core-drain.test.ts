import { describe, expect, it } from 'vitest';
import {
  catalogOf,
  deferredAfterCalls,
  hourMs,
  minuteMs,
  outcomes,
  pendingSet,
  shardState,
  usageEvent,
} from './testing/fixtures.ts';
import { marked, TestShard, typesOf } from './testing/test-shard.ts';

describe('ShardCore, draining', () => {
  it('stops consuming, seals at once, settles, acks, closes the channel and ends, in that order', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    expect(typesOf(shard.step({ type: 'drain', deadlineMs: minuteMs }))).toEqual(['cancel_consumer', 'write']);
    expect(shard.core.life).toBe('draining');
    shard.answer();
    shard.answer();
    shard.core.takeCall(0)!.ended(outcomes.accepted, 0, true);
    shard.tick();
    expect(shard.answer()).toEqual([
      { type: 'ack', generation: 1, tag: 1 },
      { type: 'close_channel', generation: 1 },
      { type: 'ended', reason: 'released' },
    ]);
  });

  it('ends at once with nothing to settle', () => {
    expect(typesOf(TestShard.open().step({ type: 'drain', deadlineMs: minuteMs }))).toEqual([
      'cancel_consumer',
      'close_channel',
      'ended',
    ]);
  });

  it('counts and settles what still arrives after the cancel', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.step({ type: 'drain', deadlineMs: minuteMs });
    shard.deliver(2);
    shard.settle();
    expect(shard.kinds()).toEqual(['commit', 'mark', 'complete', 'commit', 'mark', 'complete']);
    expect(shard.endedAs).toBe('released');
    expect(shard.acked).toBe(2);
  });

  it('settles a pending set first, then what grew meanwhile', () => {
    const shard = TestShard.open({ state: shardState({ next: 2, pending: pendingSet() }) });
    shard.deliver(1);
    shard.step({ type: 'drain', deadlineMs: minuteMs });
    shard.settle();
    expect(shard.kinds()).toEqual(['mark', 'complete', 'commit', 'mark', 'complete']);
    expect(shard.endedAs).toBe('released');
  });

  it('knows what it sealed: a copy that comes after is covered, an id in it is counted', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.step({ type: 'drain', deadlineMs: minuteMs });
    shard.deliver(1);
    shard.deliver(3, { producer: 'other', events: [usageEvent({ id: 'event--1' })] });
    expect(shard.core.memory.open).toMatchObject({ messages: 1, events: 0 });
    shard.settle();
    expect(shard.acked).toBe(3);
    expect(shard.writes.filter(({ kind }) => kind === 'commit')).toMatchObject([
      { commit: { entries: [{ events: 1 }] } },
      { commit: { entries: [] } },
    ]);
  });

  it('gives up at its deadline: no more calls and marks, but those under way may end and are told', () => {
    const shard = marked(3);
    const call = shard.core.takeCall(0)!;
    shard.step({ type: 'drain', deadlineMs: 1_000 });
    shard.tick(1_000);
    expect(shard.core.life).toBe('closing');
    expect(shard.core.armed.size).toBe(0);
    expect(shard.core.takeCall(shard.nowMs)).toBeUndefined();
    expect(shard.endedAs).toBeUndefined();
    call.ended(outcomes.accepted, shard.nowMs, true);
    shard.tick();
    expect(shard.write).toMatchObject({ kind: 'progress', settled: new Map([[0, 'accepted']]) });
    expect(shard.endedAs).toBeUndefined();
    expect(shard.answer()).toEqual([
      { type: 'close_channel', generation: 1 },
      { type: 'ended', reason: 'released' },
    ]);
    expect(shard.acked).toBe(0);
  });

  it('waits no longer than a call can last for what does not end', () => {
    const shard = marked(2);
    shard.core.takeCall(0);
    shard.step({ type: 'drain', deadlineMs: 1_000 });
    shard.tick(1_000);
    shard.tick(4_999);
    expect(shard.endedAs).toBeUndefined();
    shard.tick(1);
    expect(shard.endedAs).toBe('released');
  });

  it('repeats an unanswered commit until its deadline, and then leaves it to the next owner', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.tick(5 * minuteMs);
    const commit = shard.write;
    shard.noAnswer();
    shard.step({ type: 'drain', deadlineMs: shard.nowMs + 10_000 });
    shard.tick(2_001);
    expect(shard.write).toBe(commit);
    shard.noAnswer();
    shard.tick(10_000);
    expect(shard.write).toBe(commit);
    expect(shard.endedAs).toBeUndefined();
    shard.tick(5_000);
    expect(shard.endedAs).toBe('released');
    expect(shard.acked).toBe(0);
  });

  it('does not open a channel again that is lost, and settles what was sealed', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.step({ type: 'drain', deadlineMs: minuteMs });
    shard.deliver(2);
    expect(shard.step({ type: 'channel_lost', generation: 1 })).toEqual([
      { type: 'discarded', messages: 1, events: 1 },
    ]);
    shard.settle();
    expect(shard.kinds()).toEqual(['commit', 'mark', 'complete']);
    expect(shard.endedAs).toBe('released');
    expect(shard.acked).toBe(0);
  });

  it('ends with a channel that was still being opened', () => {
    const shard = new TestShard();
    shard.step({ type: 'loaded', state: shardState({ next: 2, pending: pendingSet() }), askedAtMs: 0 });
    expect(shard.step({ type: 'drain', deadlineMs: minuteMs })).toEqual([{ type: 'close_channel', generation: 1 }]);
    shard.openChannel();
    shard.deliver(1);
    expect(shard.core.held).toBe(0);
    shard.settle();
    expect(shard.endedAs).toBe('released');
  });

  it.each([{ deadlines: [10_000, 1_000] }, { deadlines: [1_000, 10_000] }])(
    'can be hurried, not delayed: $deadlines',
    ({ deadlines }) => {
      const shard = marked(2);
      for (const deadlineMs of deadlines) shard.step({ type: 'drain', deadlineMs });
      shard.tick(999);
      expect(shard.core.life).toBe('draining');
      shard.tick(1);
      expect(shard.endedAs).toBe('released');
    },
  );

  it('changes no prefetch any more, for that would be a new consumer', () => {
    const shard = TestShard.open({ limits: { flushEvents: 1_000_000 } });
    shard.tick();
    shard.deliver(1);
    shard.step({ type: 'drain', deadlineMs: hourMs });
    for (let sequence = 2; sequence < 1_500; sequence++) shard.deliver(sequence);
    expect(typesOf(shard.tick(5_000))).not.toContain('set_prefetch');
  });

  it('waits for the catalog no longer than for anything else', () => {
    const shard = TestShard.open({ catalog: catalogOf() });
    shard.deliver(1);
    expect(typesOf(shard.step({ type: 'drain', deadlineMs: 1_000 }))).toEqual(['cancel_consumer', 'need_catalog']);
    shard.tick(1_000);
    expect(shard.endedAs).toBe('released');
    expect(shard.writes).toEqual([]);
  });
});

describe('ShardCore, handing over', () => {
  it('gives up at once what was not sealed', () => {
    const shard = TestShard.open();
    shard.deliver(1);
    expect(typesOf(shard.step({ type: 'hand_over' }))).toEqual(['close_channel', 'ended']);
    expect(shard.writes).toEqual([]);
  });

  it('leaves a pending set to the next owner, with its calls that are under way ended and told', () => {
    const shard = marked(3);
    const call = shard.core.takeCall(0)!;
    shard.step({ type: 'hand_over' });
    expect(shard.core.takeCall(0)).toBeUndefined();
    call.ended(outcomes.refused, 100, true);
    shard.tick(100);
    expect(shard.write).toMatchObject({ kind: 'progress', parked: [{ state: 'dead' }] });
    shard.answer();
    expect(shard.endedAs).toBe('released');
  });

  it.each(['answered', 'not answered'])('waits for the write under way (%s)', (ending) => {
    const shard = TestShard.open();
    shard.deliver(1);
    shard.tick(5 * minuteMs);
    expect(shard.step({ type: 'hand_over' })).toEqual([]);
    if (ending === 'answered') {
      shard.answer();
      expect(shard.kinds()).toEqual(['commit']);
    } else {
      shard.noAnswer();
      shard.tick(4_999);
      expect(shard.endedAs).toBeUndefined();
      shard.tick(1);
    }
    expect(shard.endedAs).toBe('released');
    expect(shard.acked).toBe(0);
  });

  it('acks what the write under way has settled', () => {
    const shard = marked(1);
    shard.core.takeCall(0)!.ended(outcomes.accepted, 0, true);
    shard.tick();
    expect(shard.write?.kind).toBe('complete');
    shard.step({ type: 'hand_over' });
    expect(typesOf(shard.answer())).toEqual(['ack', 'close_channel', 'ended']);
  });

  it('waits for the call of a deferred entry and tells how it ended', () => {
    const shard = TestShard.open({ state: shardState({ next: 2, deferred: [deferredAfterCalls()] }) });
    shard.tick(10_000);
    const call = shard.core.takeCall(shard.nowMs)!;
    shard.step({ type: 'hand_over' });
    expect(shard.endedAs).toBeUndefined();
    call.ended(outcomes.accepted, shard.nowMs, true);
    shard.tick();
    expect(shard.write).toMatchObject({ kind: 'settle_deferred', outcome: 'accepted' });
    shard.answer();
    expect(shard.endedAs).toBe('released');
  });

  it('seals nothing any more, however much arrives', () => {
    const shard = marked(3);
    shard.core.takeCall(0);
    shard.step({ type: 'hand_over' });
    for (let sequence = 2; sequence < 10; sequence++) shard.deliver(sequence);
    shard.tick(1_000);
    expect(shard.kinds()).toEqual(['commit', 'mark']);
  });

  it('ends a drain that would take longer', () => {
    const shard = marked(3);
    shard.step({ type: 'drain', deadlineMs: hourMs });
    expect(typesOf(shard.step({ type: 'hand_over' }))).toEqual(['close_channel', 'ended']);
  });
});
