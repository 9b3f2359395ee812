import { describe, expect, it } from 'vitest';
import type { Call, CallSource, StartedCall } from './call.ts';
import { defaultDispatchLimits, Dispatcher } from './dispatcher.ts';

class Shard implements CallSource {
  readonly name: string;
  readonly armed = new Map<string, number>();
  #changes = new Map<string, number>();
  readonly closed = new Map<string, string>();
  refuses = false;
  /** All that it has left was deferred. */
  isStale = false;
  asked = 0;

  constructor(name: string, armed: number, account = '') {
    this.name = name;
    this.arm(armed, account);
  }

  arm(armed: number, account = ''): void {
    this.armed.set(account, armed);
    this.#changes.set(account, armed);
  }

  takeArmedChanges(): ReadonlyMap<string, number> {
    const changes = this.#changes;
    this.#changes = new Map();
    return changes;
  }

  accountChanged(account: string, closedFor: string | undefined): void {
    if (closedFor === undefined) this.closed.delete(account);
    else this.closed.set(account, closedFor);
  }

  takeCall(_nowMs: number, account: string, onlyFresh: boolean): Call | undefined {
    this.asked++;
    const armed = this.armed.get(account) ?? 0;
    if (this.refuses || armed === 0 || (onlyFresh && this.isStale)) return undefined;
    this.arm(armed - 1, account);
    const entry = {
      ...(account === '' ? {} : { account }),
      identifier: this.name,
      customer: 'c',
      meter: 'm',
      value: '1',
      timestamp: 1,
      windowStartMs: 0,
      events: 1,
    };
    return { entry, meter: undefined, isKnownToFail: false, ended: () => undefined };
  }
}

function dispatcherOf(shards: readonly Shard[], limits: { concurrency?: number } = {}): Dispatcher {
  const dispatcher = new Dispatcher({ concurrency: 100, ...defaultDispatchLimits, ...limits });
  for (const shard of shards) dispatcher.add(shard);
  return dispatcher;
}

/** How many slots of the cluster's rate the tick asks for. */
function wanted(dispatcher: Dispatcher, nowMs: number, account = ''): number {
  return dispatcher.tick(nowMs).slotsWanted.find((asked) => asked.account === account)?.count ?? 0;
}

function names(started: readonly StartedCall[]): string {
  return started.map(({ call }) => call.entry.identifier).join('');
}

describe('the dispatcher', () => {
  it('starts one call per slot, when the slot has come and not before', () => {
    const dispatcher = dispatcherOf([new Shard('a', 9)]);
    dispatcher.slotsGranted('', [10, 11, 12], 20, 5);
    expect(dispatcher.tick(9.9).started).toHaveLength(0);
    expect(dispatcher.tick(10).started).toHaveLength(1);
    expect(dispatcher.tick(12).started).toHaveLength(2);
    expect(dispatcher.tick(13).started).toHaveLength(0);
  });

  it('drops a slot that is too late instead of catching up', () => {
    const dispatcher = dispatcherOf([new Shard('a', 9)]);
    dispatcher.slotsGranted('', [10, 20, 30], 5, 5);
    expect(dispatcher.tick(25)).toMatchObject({ started: [{}], slotsMissed: 1 });
    expect(dispatcher.tick(35.1)).toMatchObject({ started: [], slotsMissed: 1 });
  });

  it('lets shards take turns, however much each has', () => {
    const dispatcher = dispatcherOf([new Shard('a', 100), new Shard('b', 100), new Shard('c', 1)]);
    dispatcher.slotsGranted('', [1, 1, 1, 1, 1, 1, 1], 5, 0);
    expect(names(dispatcher.tick(1).started)).toBe('abcabab');
  });

  it('goes on with the next turn in the next tick', () => {
    const dispatcher = dispatcherOf([new Shard('a', 100), new Shard('b', 100), new Shard('c', 100)]);
    dispatcher.slotsGranted('', [1, 2], 5, 0);
    expect(names([...dispatcher.tick(1).started, ...dispatcher.tick(2).started])).toBe('ab');
  });

  it('keeps to the concurrency, and starts the next call when one has ended', () => {
    const dispatcher = dispatcherOf([new Shard('a', 9)], { concurrency: 2 });
    dispatcher.slotsGranted('', [1, 1, 1], 20, 0);
    const { started } = dispatcher.tick(1);
    expect(started).toHaveLength(2);
    expect(dispatcher.tick(2).started).toHaveLength(0);
    dispatcher.callEnded(started[0]!, { kind: 'accepted' }, 1);
    expect(dispatcher.tick(3).started).toHaveLength(1);
  });

  it('asks for the slots that are missing, at most a chunk, and one request at a time', () => {
    const shard = new Shard('a', 7);
    const dispatcher = dispatcherOf([shard]);
    expect(wanted(dispatcher, 0)).toBe(7);
    expect(wanted(dispatcher, 1)).toBe(0);
    dispatcher.slotsGranted('', [50, 60], 5, 1);
    expect(wanted(dispatcher, 2)).toBe(0);
    expect(wanted(dispatcher, 6)).toBe(5);
    dispatcher.slotsGranted('', [], 5, 6);
    shard.arm(1_000);
    expect(wanted(dispatcher, 11)).toBe(25);
  });

  it('asks for no more slots than it may have calls in flight', () => {
    const dispatcher = dispatcherOf([new Shard('a', 50)], { concurrency: 3 });
    expect(wanted(dispatcher, 0)).toBe(3);
    dispatcher.slotsGranted('', [1, 1, 1], 5, 1);
    expect(dispatcher.tick(1).started).toHaveLength(3);
    expect(wanted(dispatcher, 20)).toBe(0);
  });

  it('asks again after the wait that it was told', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    expect(wanted(dispatcher, 0)).toBe(5);
    dispatcher.slotsRefused('', 40, 2);
    expect(dispatcher.tick(41)).toMatchObject({ slotsWanted: [], nextMs: 42 });
    expect(wanted(dispatcher, 42)).toBe(5);
  });

  it('does nothing by itself while nothing is armed', () => {
    const dispatcher = dispatcherOf([new Shard('a', 0)]);
    expect(dispatcher.tick(0)).toEqual({
      started: [],
      slotsWanted: [],
      slotsMissed: 0,
      slotsToGiveBack: 0,
      nextMs: undefined,
    });
  });

  it('leaves a shard alone for a moment that has calls and gives none', () => {
    const [a, b] = [new Shard('a', 5), new Shard('b', 1)];
    a.refuses = true;
    const dispatcher = dispatcherOf([a, b]);
    dispatcher.slotsGranted('', [1, 1, 1], 50, 0);
    expect(names(dispatcher.tick(1).started)).toBe('b');
    expect(dispatcher.tick(15)).toMatchObject({ slotsWanted: [], nextMs: undefined });
    expect(a.asked).toBe(1);
    a.refuses = false;
    expect(names(dispatcher.tick(21).started)).toBe('aa');
  });

  it('starts nothing and gives up its slots while the breaker is open', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    dispatcher.slotsGranted('', [1, 2], 50, 0);
    dispatcher.breakerChanged('', 'open', 'HTTP 500', 0);
    expect(dispatcher.tick(1)).toMatchObject({
      started: [],
      slotsWanted: [],
      slotsMissed: 1,
      slotsToGiveBack: 1,
      nextMs: undefined,
    });
  });

  it('starts exactly one call while the breaker is half open, and the next only after it has ended', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    dispatcher.breakerChanged('', 'half_open', 'HTTP 500', 0);
    expect(wanted(dispatcher, 0)).toBe(1);
    dispatcher.slotsGranted('', [1, 2, 3], 50, 0);
    const { started } = dispatcher.tick(5);
    expect(started).toMatchObject([{ breakerClosed: false }]);
    expect(dispatcher.tick(6).started).toHaveLength(0);
    dispatcher.callEnded(started[0]!, { kind: 'accepted' }, 1);
    expect(dispatcher.tick(7).started).toHaveLength(1);
  });

  it('starts calls side by side again once the breaker has closed', () => {
    const dispatcher = dispatcherOf([new Shard('a', 5)]);
    dispatcher.breakerChanged('', 'half_open', 'HTTP 500', 0);
    dispatcher.slotsGranted('', [1, 2, 3], 50, 0);
    expect(dispatcher.tick(5).started).toHaveLength(1);
    dispatcher.breakerChanged('', 'closed', 'HTTP 500', 0);
    expect(dispatcher.tick(6).started).toMatchObject([{ breakerClosed: true }, { breakerClosed: true }]);
  });

  it('starts nothing for a removed shard, and still knows its calls until they end', () => {
    const shard = new Shard('a', 5);
    const dispatcher = dispatcherOf([shard]);
    dispatcher.slotsGranted('', [1, 2], 50, 0);
    const { started } = dispatcher.tick(1);
    dispatcher.remove(shard);
    expect(dispatcher.tick(2).started).toHaveLength(0);
    expect(dispatcher.inFlightOf(shard)).toBe(1);
    dispatcher.callEnded(started[0]!, { kind: 'accepted' }, 1);
    expect(dispatcher.inFlightOf(shard)).toBe(0);
    expect(dispatcher.inFlight).toBe(0);
  });

  it('probes with an entry that was not deferred, whichever shard has one, and with any if there is none', () => {
    const [stale, fresh] = [new Shard('s', 5), new Shard('f', 1)];
    stale.isStale = true;
    const dispatcher = dispatcherOf([stale, fresh]);
    dispatcher.breakerChanged('', 'half_open', 'HTTP 500', 0);
    dispatcher.slotsGranted('', [1, 1, 1], 50, 0);
    const { started } = dispatcher.tick(1);
    expect(names(started)).toBe('f');
    dispatcher.callEnded(started[0]!, { kind: 'unknown', reason: 'HTTP 500' }, 1);
    expect(names(dispatcher.tick(2).started)).toBe('s');
  });
});

describe('the dispatcher, with connected accounts', () => {
  it("starts a connected account's call only in a slot of its own rate as well, and asks for both", () => {
    const dispatcher = dispatcherOf([new Shard('a', 3, 'acct_1')]);
    expect(dispatcher.tick(0).slotsWanted).toEqual([{ account: 'acct_1', count: 3 }]);
    dispatcher.slotsGranted('acct_1', [5, 15], 100, 1);
    expect(dispatcher.tick(4)).toMatchObject({ started: [], slotsWanted: [], nextMs: 5 });
    expect(dispatcher.tick(5).slotsWanted).toEqual([{ account: '', count: 2 }]);
    dispatcher.slotsGranted('', [6, 7], 30, 6);
    expect(dispatcher.tick(7).started).toHaveLength(1);
    expect(dispatcher.tick(14.9).started).toHaveLength(0);
    expect(dispatcher.tick(15).started).toHaveLength(1);
  });

  it('does not spin while a slot of the account waits for one of the cluster', () => {
    const dispatcher = dispatcherOf([new Shard('a', 1, 'acct_1')]);
    dispatcher.tick(0);
    dispatcher.slotsGranted('acct_1', [5], 100, 1);
    expect(wanted(dispatcher, 5)).toBe(1);
    expect(dispatcher.tick(6)).toMatchObject({ slotsWanted: [], nextMs: undefined });
  });

  it('lets accounts take turns, however many calls and shards each has', () => {
    const shards = [new Shard('p', 9), new Shard('q', 9), new Shard('c', 9, 'acct_1')];
    const dispatcher = dispatcherOf(shards);
    dispatcher.slotsGranted('acct_1', [1, 1, 1], 50, 0);
    dispatcher.slotsGranted('', [1, 1, 1, 1, 1, 1], 50, 0);
    expect(names(dispatcher.tick(1).started)).toBe('cpcqcp');
  });

  it('lets an account whose breaker is open stop nobody else', () => {
    const shard = new Shard('a', 2);
    shard.arm(2, 'acct_1');
    const dispatcher = dispatcherOf([shard]);
    dispatcher.breakerChanged('acct_1', 'open', '403', 0);
    expect(dispatcher.tick(0).slotsWanted).toEqual([{ account: '', count: 2 }]);
    dispatcher.slotsGranted('', [1, 1, 1], 50, 0);
    const { started } = dispatcher.tick(1);
    expect(started.map(({ account, breakerClosed }) => [account, breakerClosed])).toEqual([
      ['', true],
      ['', true],
    ]);
  });

  /** One call of each account, which ends as said; then the account's breaker opens. */
  function refuse(shards: readonly Shard[]): { dispatcher: Dispatcher; started: readonly StartedCall[] } {
    const dispatcher = dispatcherOf(shards);
    dispatcher.slotsGranted('acct_1', [1], 50, 0);
    dispatcher.slotsGranted('', [1, 1], 50, 0);
    return { dispatcher, started: dispatcher.tick(1).started };
  }

  it('tells every shard, also one that comes later, of an account that is not authorized, until it is', () => {
    const [one, two] = [new Shard('a', 1, 'acct_1'), new Shard('b', 1)];
    const { dispatcher, started } = refuse([one, two]);
    const call = started.find(({ account }) => account === 'acct_1')!;
    // The breaker hears of a call's outcome before the dispatcher does.
    dispatcher.breakerChanged('acct_1', 'open', 'revoked', 2);
    dispatcher.callEnded(call, { kind: 'unauthorized', reason: 'revoked' }, 2);
    expect([...one.closed, ...two.closed]).toEqual([
      ['acct_1', 'revoked'],
      ['acct_1', 'revoked'],
    ]);
    const late = new Shard('c', 0);
    dispatcher.add(late);
    expect([...late.closed]).toEqual([['acct_1', 'revoked']]);
    expect(dispatcher.closedAccounts).toBe(1);
    dispatcher.breakerChanged('acct_1', 'half_open', 'revoked', 3);
    expect(one.closed.size).toBe(1);
    dispatcher.breakerChanged('acct_1', 'closed', 'revoked', 4);
    expect(one.closed.size + two.closed.size + late.closed.size).toBe(0);
  });

  it('takes a failing account for closed only once another one was served meanwhile', () => {
    const [one, two] = [new Shard('a', 1, 'acct_1'), new Shard('b', 1)];
    const { dispatcher, started } = refuse([one, two]);
    const call = started.find(({ account }) => account === 'acct_1')!;
    dispatcher.callEnded(call, { kind: 'unknown', reason: 'HTTP 500' }, 2);
    dispatcher.breakerChanged('acct_1', 'open', 'HTTP 500', 2);
    expect(one.closed.size).toBe(0);
    dispatcher.callEnded(
      started.find(({ account }) => account === '')!,
      { kind: 'accepted' },
      3,
    );
    expect([...one.closed]).toEqual([['acct_1', 'HTTP 500']]);
  });

  it('takes no account for closed while the key works for nobody', () => {
    const [one, two] = [new Shard('a', 1, 'acct_1'), new Shard('b', 1)];
    const { dispatcher, started } = refuse([one, two]);
    for (const call of started) {
      dispatcher.breakerChanged(call.account, 'open', '401', 2);
      dispatcher.callEnded(call, { kind: 'unauthorized', reason: '401' }, 2);
    }
    expect(one.closed.size).toBe(0);
    dispatcher.breakerChanged('', 'closed', '401', 3);
    expect([...one.closed]).toEqual([['acct_1', '401']]);
  });

  it('never takes the platform itself for closed', () => {
    const shard = new Shard('a', 1);
    const dispatcher = dispatcherOf([shard]);
    dispatcher.slotsGranted('', [1], 50, 0);
    dispatcher.callEnded(dispatcher.tick(1).started[0]!, { kind: 'unauthorized', reason: '401' }, 2);
    dispatcher.breakerChanged('', 'open', '401', 2);
    expect(shard.closed.size).toBe(0);
  });
});
