import { describe, expect, it } from 'vitest';
import { type Call, type CallSource, defaultDispatchLimits, Dispatcher, type StartedCall } from './dispatcher.ts';

class Shard implements CallSource {
  readonly name: string;
  armed: number;
  refuses = false;
  asked = 0;

  constructor(name: string, armed: number) {
    this.name = name;
    this.armed = armed;
  }

  takeCall(): Call | undefined {
    this.asked++;
    if (this.refuses) return undefined;
    this.armed--;
    const entry = {
      identifier: this.name,
      customer: 'c',
      meter: 'm',
      value: '1',
      timestamp: 1,
      windowStartMs: 0,
      events: 1,
    };
    return { entry, meter: undefined, ended: () => undefined };
  }
}

function dispatcherOf(shards: readonly Shard[], limits: { concurrency?: number } = {}): Dispatcher {
  const dispatcher = new Dispatcher({ concurrency: 100, ...defaultDispatchLimits, ...limits });
  for (const shard of shards) dispatcher.add(shard);
  return dispatcher;
}

function names(started: readonly StartedCall[]): string {
  return started.map(({ call }) => call.entry.identifier).join('');
}

describe('the dispatcher', () => {
  it('starts one call per slot, when the slot has come and not before', () => {
    const dispatcher = dispatcherOf([new Shard('a', 9)]);
    dispatcher.slotsGranted([10, 11, 12], 20, 5);
    expect(dispatcher.tick(9.9).started).toHaveLength(0);
    expect(dispatcher.tick(10).started).toHaveLength(1);
    expect(dispatcher.tick(12).started).toHaveLength(2);
    expect(dispatcher.tick(13).started).toHaveLength(0);
  });

  it('drops a slot that is too late instead of catching up', () => {
    const dispatcher = dispatcherOf([new Shard('a', 9)]);
    dispatcher.slotsGranted([10, 20, 30], 5, 5);
    expect(dispatcher.tick(25)).toMatchObject({ started: [{}], slotsMissed: 1 });
    expect(dispatcher.tick(35.1)).toMatchObject({ started: [], slotsMissed: 1 });
  });

  it('lets shards take turns, however much each has', () => {
    const dispatcher = dispatcherOf([new Shard('a', 100), new Shard('b', 100), new Shard('c', 1)]);
    dispatcher.slotsGranted([1, 1, 1, 1, 1, 1, 1], 5, 0);
    expect(names(dispatcher.tick(1).started)).toBe('abcabab');
  });

  it('goes on with the next turn in the next tick', () => {
    const dispatcher = dispatcherOf([new Shard('a', 100), new Shard('b', 100), new Shard('c', 100)]);
    dispatcher.slotsGranted([1, 2], 5, 0);
    expect(names([...dispatcher.tick(1).started, ...dispatcher.tick(2).started])).toBe('ab');
  });

  it('keeps to the concurrency, and starts the next call when one has ended', () => {
    const dispatcher = dispatcherOf([new Shard('a', 9)], { concurrency: 2 });
    dispatcher.slotsGranted([1, 1, 1], 20, 0);
    const { started } = dispatcher.tick(1);
    expect(started).toHaveLength(2);
    expect(dispatcher.tick(2).started).toHaveLength(0);
    dispatcher.callEnded(started[0]!, { kind: 'accepted' }, 1);
    expect(dispatcher.tick(3).started).toHaveLength(1);
  });

  it('asks for the slots that are missing, at most a chunk, and one request at a time', () => {
    const shard = new Shard('a', 7);
    const dispatcher = dispatcherOf([shard]);
    expect(dispatcher.tick(0).slotsWanted).toBe(7);
    expect(dispatcher.tick(1).slotsWanted).toBe(0);
    dispatcher.slotsGranted([50, 60], 5, 1);
    expect(dispatcher.tick(2).slotsWanted).toBe(0);
    expect(dispatcher.tick(6).slotsWanted).toBe(5);
    dispatcher.slotsGranted([], 5, 6);
    shard.armed = 1_000;
    expect(dispatcher.tick(11).slotsWanted).toBe(25);
  });

  it('asks for no more slots than it may have calls in flight', () => {
    const dispatcher = dispatcherOf([new Shard('a', 50)], { concurrency: 3 });
    expect(dispatcher.tick(0).slotsWanted).toBe(3);
    dispatcher.slotsGranted([1, 1, 1], 5, 1);
    expect(dispatcher.tick(1).started).toHaveLength(3);
    expect(dispatcher.tick(20).slotsWanted).toBe(0);
  });

  it('asks again after the wait that it was told', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    expect(dispatcher.tick(0).slotsWanted).toBe(5);
    dispatcher.slotsRefused(40, 2);
    expect(dispatcher.tick(41)).toMatchObject({ slotsWanted: 0, nextMs: 42 });
    expect(dispatcher.tick(42).slotsWanted).toBe(5);
  });

  it('does nothing by itself while nothing is armed', () => {
    const dispatcher = dispatcherOf([new Shard('a', 0)]);
    expect(dispatcher.tick(0)).toEqual({ started: [], slotsWanted: 0, slotsMissed: 0, pace: 1, nextMs: undefined });
  });

  it('leaves a shard alone for a moment that has calls and gives none', () => {
    const [a, b] = [new Shard('a', 5), new Shard('b', 1)];
    a.refuses = true;
    const dispatcher = dispatcherOf([a, b]);
    dispatcher.slotsGranted([1, 1, 1], 50, 0);
    expect(names(dispatcher.tick(1).started)).toBe('b');
    expect(dispatcher.tick(15)).toMatchObject({ slotsWanted: 0, nextMs: undefined });
    expect(a.asked).toBe(1);
    a.refuses = false;
    expect(names(dispatcher.tick(21).started)).toBe('aa');
  });

  it('starts nothing and gives up its slots while the breaker is open', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    dispatcher.slotsGranted([1, 2], 50, 0);
    dispatcher.breakerChanged('open');
    expect(dispatcher.tick(5)).toMatchObject({ started: [], slotsWanted: 0, slotsMissed: 2, nextMs: undefined });
  });

  it('starts exactly one call while the breaker is half open, and the next only after it has ended', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    dispatcher.breakerChanged('half_open');
    expect(dispatcher.tick(0).slotsWanted).toBe(1);
    dispatcher.slotsGranted([1, 2, 3], 50, 0);
    const { started } = dispatcher.tick(5);
    expect(started).toMatchObject([{ breakerClosed: false }]);
    expect(dispatcher.tick(6).started).toHaveLength(0);
    dispatcher.callEnded(started[0]!, { kind: 'accepted' }, 1);
    expect(dispatcher.tick(7).started).toHaveLength(1);
  });

  it('starts calls side by side again once the breaker has closed', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    dispatcher.breakerChanged('half_open');
    dispatcher.slotsGranted([1, 2, 3], 50, 0);
    expect(dispatcher.tick(5).started).toHaveLength(1);
    dispatcher.breakerChanged('closed');
    expect(dispatcher.tick(6).started).toMatchObject([{ breakerClosed: true }, { breakerClosed: true }]);
  });

  it('asks for less of the rate when the account is limited, and not when a lane is', () => {
    const shard = new Shard('a', 20);
    const dispatcher = dispatcherOf([shard]);
    dispatcher.slotsGranted(Array<number>(20).fill(1), 50, 0);
    const { started } = dispatcher.tick(1);
    for (const call of started.slice(0, 10))
      dispatcher.callEnded(call, { kind: 'throttled', scope: 'lane', reason: '409' }, 2);
    dispatcher.callEnded(started[10]!, { kind: 'accepted' }, 1_002);
    expect(dispatcher.tick(1_002).pace).toBe(1);
    for (const call of started.slice(11, 19))
      dispatcher.callEnded(call, { kind: 'throttled', scope: 'account', reason: '429' }, 1_003);
    dispatcher.callEnded(started[19]!, { kind: 'accepted' }, 2_003);
    expect(dispatcher.tick(2_003).pace).toBe(0.5);
  });

  it('starts nothing for a removed shard, and still knows its calls until they end', () => {
    const shard = new Shard('a', 5);
    const dispatcher = dispatcherOf([shard]);
    dispatcher.slotsGranted([1, 2], 50, 0);
    const { started } = dispatcher.tick(1);
    dispatcher.remove(shard);
    expect(dispatcher.tick(2).started).toHaveLength(0);
    expect(dispatcher.inFlightOf(shard)).toBe(1);
    dispatcher.callEnded(started[0]!, { kind: 'accepted' }, 1);
    expect(dispatcher.inFlightOf(shard)).toBe(0);
    expect(dispatcher.inFlight).toBe(0);
  });
});
