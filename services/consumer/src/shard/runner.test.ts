/**
 * The shell of a shard, with a broker and a journal that answer when the test wants. Bugs in it passed every test: a mark without
 * an answer taken for done, a message acked before its dead letter was confirmed, a lease given back before the channel had
 * closed, an age of unknown outcomes that was an hour short.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { turns } from '../../../../shared/testing/fake-broker.ts';
import type { Outcome } from '../provider/provider.ts';
import { defaultDriveLimits } from '../lanes/drive-limits.ts';
import { pass, TestRunner, useFakeClock } from './testing/test-runner.ts';
import { hourMs, outcomes, pendingSet, shardState, startRedisMs, usageEvent } from './testing/fixtures.ts';

beforeEach(useFakeClock);
afterEach(() => void vi.useRealTimers());

/** Longer than any pause between two repetitions. */
const longestPauseMs = 2_500;

describe('a write that is not answered', () => {
  it('is repeated as it was: no call is made before the journal has answered its mark', async () => {
    const test = await TestRunner.open({ flushEvents: 1 });
    test.journal.held.add('mark');
    await test.deliver();
    await test.tick();
    await test.tick();
    const first = test.journal.last('mark');
    expect(test.takeCall()).toBeUndefined();
    first.fail();
    await turns(3);
    expect(test.takeCall()).toBeUndefined();
    for (let waitedMs = 0; waitedMs < longestPauseMs; waitedMs += 50) await test.tick(50);
    expect(test.takeCall()).toBeUndefined();
    expect(test.journal.named('mark')).toHaveLength(2);
    expect(test.journal.last('mark').args).toEqual(first.args);
    test.journal.last('mark').answer();
    await turns(3);
    expect(test.takeCall()?.entry).toMatchObject({ customer: 'cus_1', value: '1' });
    expect(test.runner.unansweredWrites).toBe(1);
  });

  it('is repeated byte for byte if it is a commit, and nothing is acked meanwhile', async () => {
    const test = await TestRunner.open({ flushEvents: 1 });
    test.journal.held.add('commit');
    await test.deliver();
    await test.tick();
    const first = test.journal.last('commit');
    first.fail();
    await test.deliver('cus_2');
    for (let waitedMs = 0; waitedMs < longestPauseMs; waitedMs += 50) await test.tick(50);
    expect(test.journal.named('commit')).toHaveLength(2);
    // The very same one: its bytes are kept by its identity (redis-journal.ts).
    expect(test.journal.last('commit').args[1]).toBe(first.args[1]);
    expect(test.channel.acks).toEqual([]);
    expect(test.takeCall()).toBeUndefined();
  });
});

describe('what a shard has counted', () => {
  it('is acked once its set is complete, on the channel that brought it', async () => {
    const test = await TestRunner.open({ flushEvents: 1 });
    test.journal.held.add('complete');
    const tag = await test.deliver();
    for (let ticks = 0; ticks < 3; ticks++) await test.tick();
    const call = test.takeCall();
    expect(call).toBeDefined();
    call?.ended(outcomes.accepted, performance.now(), true);
    for (let ticks = 0; ticks < 3; ticks++) await test.tick();
    expect(test.channel.acks).toEqual([]);
    test.journal.last('complete').answer();
    await turns(3);
    expect(test.channel.acks).toEqual([tag]);
  });

  it('is counted anew by the channel that comes after a lost one', async () => {
    const test = await TestRunner.open({ flushEvents: 10 });
    const lost = test.channel;
    await test.deliver('cus_1', 1);
    lost.closed();
    await pass(3_000);
    expect(test.session.channels).toHaveLength(2);
    expect(test.channel.prefetches).toHaveLength(1);
    await test.deliver('cus_1', 1);
    expect(test.runner.core.memory.open.events).toBe(1);
    expect(lost.acks).toEqual([]);
  });

  it('is not taken from a channel that is lost while deliveries wait to be looked at', async () => {
    const test = await TestRunner.open({ flushEvents: 10 });
    const delivered = test.deliver();
    test.channel.closed();
    await delivered;
    expect(test.runner.core.memory.open.events).toBe(0);
  });
});

describe('a channel', () => {
  it('is opened anew when the broker cancels its consumer', async () => {
    const test = await TestRunner.open();
    const cancelled = test.channel;
    cancelled.cancelByBroker();
    await pass(3_000);
    expect(cancelled.isClosed).toBe(true);
    expect(test.session.channels).toHaveLength(2);
    expect(test.channel.consumers.size).toBe(1);
  });

  it('is opened once there is a connection, and again after one that could not be opened', async () => {
    const test = new TestRunner();
    test.isConnected = false;
    test.runner.start();
    await turns();
    expect(test.session.channels).toEqual([]);
    test.isConnected = true;
    test.session.channelFault = new Error('RESOURCE_ERROR');
    test.runner.connected();
    await turns();
    test.session.channelFault = undefined;
    await pass(3_000);
    expect(test.session.channels).toHaveLength(1);
    expect(test.channel.consumers.size).toBe(1);
  });

  it('leaves the messages of slots that belong to another shard to nobody: they are dead letters', async () => {
    const test = await TestRunner.open();
    test.foreignSlots.add(slotOf(usageEvent({ customer: 'cus_1' })));
    await test.deliver('cus_1');
    expect(test.burials.map(({ reason }) => reason)).toEqual(['slot_mismatch']);
    expect(test.runner.core.memory.open.events).toBe(0);
  });
});

// A queue was deleted: the log said that it cannot be consumed, and nothing of the usage that its consumer had taken.
describe('a queue that was deleted', () => {
  const notFound = (words: string) => Object.assign(new Error(`Channel closed by server: ${words}`), { code: 404 });
  const lostLines = (test: TestRunner) => test.lines.filter((line) => line.includes('A queue was deleted'));
  /** A second set is held while the first one is in flight, then the broker cancels the consumer. */
  async function deleted(fault: Error): Promise<TestRunner> {
    const test = await TestRunner.open({ flushEvents: 2 });
    test.journal.held.add('complete');
    await test.deliver();
    await test.deliver();
    await test.tick();
    await test.deliver();
    test.session.prepare = (channel) => {
      channel.consumeFault = fault;
    };
    test.channel.cancelByBroker();
    await pass(5_000);
    return test;
  }

  it('has what was held of it committed at once', async () => {
    const test = await TestRunner.open({ flushEvents: 10 });
    await test.deliver();
    test.channel.cancelByBroker();
    await turns(3);
    expect(test.journal.named('commit')).toHaveLength(1);
  });

  it('is told with the number of messages and events that nobody delivers again, once', async () => {
    const lines = lostLines(await deleted(notFound('404 (NOT-FOUND) with message "NOT_FOUND - no queue \'q\'"')));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/"level":"error".*"messages":1,"events":1.*1 message of 1 event.*tallyman topology/);
  });

  it.each([
    ['its node is away', notFound('NOT_FOUND - home node of durable queue is down or inaccessible')],
    ['it cannot be consumed for another reason', new Error('RESOURCE_LOCKED')],
  ])('is not said to be deleted where %s', async (_, fault) => {
    expect(lostLines(await deleted(fault))).toEqual([]);
  });

  it('has nothing lost that is delivered again before it goes', async () => {
    const test = await TestRunner.open({ flushEvents: 10 });
    await test.deliver();
    test.channel.closed();
    await pass(3_000);
    test.session.prepare = (channel) => {
      channel.consumeFault = notFound('NOT_FOUND - no queue');
    };
    test.channel.cancelByBroker();
    await pass(5_000);
    expect(lostLines(test)).toEqual([]);
  });
});

describe('an unreadable message', () => {
  it('is acked only once its dead letter is confirmed', async () => {
    const test = await TestRunner.open();
    const tag = await test.deliverUnreadable();
    await test.tick(1_000);
    expect(test.burials.map(({ reason }) => reason)).toEqual(['body_not_json']);
    expect(test.channel.acks).toEqual([]);
    test.burials[0]?.confirm();
    await turns(3);
    await test.tick();
    expect(test.channel.acks).toEqual([tag]);
  });

  it('stays in its queue when its dead letter was given up', async () => {
    const test = await TestRunner.open();
    await test.deliverUnreadable();
    test.burials[0]?.giveUp();
    await pass(longestPauseMs);
    await test.tick();
    expect(test.channel.acks).toEqual([]);
  });
});

describe('a queue that cannot be consumed', () => {
  // Each shard wrote a line with a stack every two seconds for as long as its queue was gone.
  it('is told once a minute, and when it is consumed again', async () => {
    const test = new TestRunner();
    test.session.channelFault = new Error('NOT_FOUND');
    test.runner.start();
    await pass(30_000, 500);
    expect(test.lines).toEqual([expect.stringContaining('It is not consumed.')]);
    expect(test.lines[0]).not.toContain('stack');
    test.session.channelFault = undefined;
    await pass(5_000, 500);
    expect(test.lines.slice(1)).toEqual([expect.stringContaining('It is.')]);
  });

  // The broker was killed, the shards were given back, and the log said "Every shard queue is consumed again." of a dead broker.
  it('is not told as consumed again when the shard is given back', async () => {
    const test = new TestRunner();
    test.session.channelFault = new Error('NOT_FOUND');
    test.runner.start();
    await pass(1_000);
    test.runner.post({ type: 'hand_over' });
    await test.tick();
    await pass(1_000);
    expect(test.endedAs).toBe('released');
    expect(test.lines).toEqual([expect.stringContaining('It is not consumed.')]);
  });
});

describe('the end of a tenure', () => {
  it('is told only once the channel is closed: until then the broker may hold messages that the next owner misses', async () => {
    const test = await TestRunner.open();
    const { channel } = test;
    channel.closesAtOnce = false;
    test.runner.post({ type: 'hand_over' });
    await test.tick();
    await pass(200);
    expect(channel.isClosing).toBe(true);
    expect(test.endedAs).toBeUndefined();
    channel.closed();
    await turns();
    expect(test.endedAs).toBe('released');
  });

  it('leaves nothing behind after `abandon`: no write is repeated, nothing is acked', async () => {
    const test = await TestRunner.open({ flushEvents: 1 });
    test.journal.held.add('commit');
    await test.deliver();
    await test.tick();
    test.runner.abandon();
    test.journal.last('commit').fail();
    for (let waitedMs = 0; waitedMs < longestPauseMs; waitedMs += 50) await test.tick(50);
    expect(test.journal.named('commit')).toHaveLength(1);
    expect(test.channel.isClosing).toBe(true);
    expect(test.channel.acks).toEqual([]);
  });
});

describe('an inherited set', () => {
  /** Loaded with one entry that was attempted so long before; the journal takes `loadMs` to answer. */
  async function inherits(attemptedMsAgo: number, loadMs: number): Promise<TestRunner> {
    const test = new TestRunner();
    test.journal.held.add('load');
    test.runner.start();
    await turns();
    const attemptedAtMs = new Map([[0, startRedisMs - attemptedMsAgo]]);
    const state = shardState({ redisMs: test.redisMs, pending: pendingSet({ attemptedAtMs }) });
    await pass(loadMs);
    test.journal.last('load').answer(state);
    await turns();
    for (let ticks = 0; ticks < 4; ticks++) await test.tick();
    return test;
  }

  it('is sent again while its outcome is unknown for less than 23 hours', async () => {
    const test = await inherits(23 * hourMs - 5_000, 1_000);
    expect(test.takeCall()?.entry.identifier).toBe('tm1-incarnation-007-1-token-0');
  });

  it('is in doubt after 23 hours, counted from before the journal was asked', async () => {
    const test = await inherits(23 * hourMs - 5_000, 6_000);
    expect(test.takeCall()).toBeUndefined();
    await test.tick();
    expect(test.journal.last('progress').args[4]).toMatchObject([{ state: 'in_doubt' }]);
  });

  // The log had no line of entries that were parked. Nor may it have one of what the journal may not have.
  it('is said to be in doubt once the journal has it so, and not before', async () => {
    const test = await inherits(23 * hourMs - 5_000, 6_000);
    test.journal.held.add('progress');
    expect(test.takeCall()).toBeUndefined();
    await test.tick();
    const isTold = () => test.lines.some((line) => line.includes('Entries are in doubt'));
    expect(isTold()).toBe(false);
    expect(test.parked).toEqual([]);
    test.journal.last('progress').answer();
    await turns(3);
    expect(isTold()).toBe(true);
    // Who looks for meters that are back goes by this, too.
    expect(test.parked).toMatchObject([{ state: 'in_doubt' }]);
  });
});

it('says that entries fail once the journal keeps them aside, and that it is over once it does not any more', async () => {
  const test = await TestRunner.open({ flushEvents: 1, drive: { ...defaultDriveLimits, deferAfterFailures: 1 } });
  const end = async (outcome: Outcome) => {
    for (let ticks = 0; ticks < 3; ticks++) await test.tick();
    const call = test.takeCall();
    if (call === undefined) throw new Error('There is no call.');
    call.ended(outcome, performance.now(), true);
    for (let ticks = 0; ticks < 3; ticks++) await test.tick();
  };
  const isOver = () => test.lines.some((line) => line.includes('No entry is kept aside any more'));
  await test.deliver();
  await end(outcomes.unknown);
  expect(test.lines.some((line) => line.includes('Entries fail'))).toBe(true);
  await test.tick(60_000);
  test.journal.held.add('settleDeferred');
  await end(outcomes.accepted);
  expect(isOver()).toBe(false);
  test.journal.last('settleDeferred').answer();
  await turns(3);
  expect(isOver()).toBe(true);
});
