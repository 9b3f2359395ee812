import { describe, expect, it } from 'vitest';
import type { Call, CallSource, StartedCall } from './call.ts';
import { defaultDispatchLimits, Dispatcher } from './dispatcher.ts';

/** Shards with usage of many accounts, a provider that takes its time, and the cluster's limiters, in virtual time. */
class Load implements CallSource {
  started = new Map<string, number>();
  #changes = new Map<string, number>();
  readonly #left = new Map<string, number>();

  arm(account: string, calls: number): void {
    this.#left.set(account, calls);
    this.#changes.set(account, calls);
  }

  takeArmedChanges(): ReadonlyMap<string, number> {
    const changes = this.#changes;
    this.#changes = new Map();
    return changes;
  }

  takeCall(_nowMs: number, account: string): Call | undefined {
    const left = this.#left.get(account) ?? 0;
    if (left === 0) return undefined;
    this.arm(account, left - 1);
    this.started.set(account, (this.started.get(account) ?? 0) + 1);
    const entry = { identifier: '', customer: 'c', meter: 'm', value: '1', timestamp: 1, windowStartMs: 0, events: 1 };
    return { entry, meter: undefined, isKnownToFail: false, ended: () => undefined };
  }

  accountChanged(): void {
    // No breaker opens here.
  }
}

interface Run {
  /** Calls per second of the account, after the first ten seconds. */
  readonly perS: (account: string) => number;
  readonly looks: number;
  readonly calls: number;
  readonly slotRequests: number;
}

/** Everybody has more calls than can be made. `latencyMs`: of the account's calls. */
function run(accounts: readonly string[], shards: number, latencyMs: (account: string) => number, seconds = 30): Run {
  const dispatcher = new Dispatcher({ concurrency: 256, ...defaultDispatchLimits });
  const loads = Array.from({ length: shards }, () => new Load());
  for (const load of loads) {
    for (const account of accounts) load.arm(account, 1_000_000);
    dispatcher.add(load);
  }
  const nextSlotMs = new Map<string, number>();
  const events: { atMs: number; run: () => void }[] = [];
  const counted = new Map<string, number>();
  let [calls, slotRequests] = [0, 0];
  const later = (atMs: number, run: () => void): void => {
    let at = events.length;
    while (at > 0 && events[at - 1]!.atMs > atMs) at--;
    events.splice(at, 0, { atMs, run });
  };
  const lease = (account: string, count: number, nowMs: number): void => {
    slotRequests++;
    const spacingMs = account === '' ? 1_000 / 950 : 1_000 / 80;
    const firstMs = Math.max(nowMs, nextSlotMs.get(account) ?? 0);
    const slots = Array.from({ length: count }, (_, slot) => firstMs + slot * spacingMs);
    const granted = slots.filter((atMs) => atMs <= nowMs + 150);
    nextSlotMs.set(account, firstMs + granted.length * spacingMs);
    const answeredMs = nowMs + 1;
    later(answeredMs, () => {
      if (granted.length === 0) dispatcher.slotsRefused(account, firstMs - nowMs - 140, answeredMs);
      else dispatcher.slotsGranted(account, granted, account === '' ? 30 : 240, answeredMs);
    });
  };
  const start = (call: StartedCall, nowMs: number): void => {
    calls++;
    if (nowMs >= 10_000) counted.set(call.account, (counted.get(call.account) ?? 0) + 1);
    const endMs = nowMs + latencyMs(call.account);
    later(endMs, () => dispatcher.callEnded(call, { kind: 'accepted' }, endMs));
  };
  for (let nowMs = 0; nowMs < seconds * 1_000; nowMs++) {
    while (events[0] !== undefined && events[0].atMs <= nowMs) events.shift()!.run();
    const { started, slotsWanted } = dispatcher.tick(nowMs);
    for (const call of started) start(call, nowMs);
    for (const { account, count } of slotsWanted) lease(account, count, nowMs);
  }
  return {
    perS: (account) => (counted.get(account) ?? 0) / (seconds - 10),
    looks: dispatcher.looks,
    calls,
    slotRequests,
  };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `acct_${index}`);

// One connected account that took 4.5 s to answer had all 256 calls in flight to itself: the platform made 184 calls per second
// instead of 945, and 23 with five such accounts.
describe('connected accounts that take 4.5 s to answer', () => {
  it.each([
    [1, 900],
    [5, 880],
    [50, 850],
  ])('%i of them leave the platform its room', (count, leastPerS) => {
    const { perS } = run(['', ...names(count)], 4, (account) => (account === '' ? 130 : 4_500));
    expect(perS('')).toBeGreaterThan(leastPerS);
    for (const account of names(count)) expect(perS(account)).toBeGreaterThan(0);
  });

  it('leave their room to other connected accounts too, also to one that comes later', () => {
    const { perS } = run(['', ...names(6)], 4, (account) => (account === '' || account === 'acct_5' ? 130 : 4_500));
    expect(perS('acct_5')).toBeGreaterThan(40);
  });

  it('have most of the room while nobody else needs it', () => {
    const { perS } = run(names(5), 4, () => 4_500);
    expect(names(5).reduce((sum, account) => sum + perS(account), 0)).toBeGreaterThan(40);
  });

  it('are not told apart when the whole provider is slow: nobody starves', () => {
    const { perS } = run(['', ...names(3)], 4, () => 2_000);
    for (const account of ['', ...names(3)]) expect(perS(account)).toBeGreaterThan(10);
  });
});

// Each tick looked at every account in every shard: 2,000 accounts with usage took a whole core, 5,000 had 209 calls per second
// instead of 950, and each account asked Redis for slots that nearly all came too late.
describe('the work of a tick', () => {
  it.each([100, 5_000])('does not depend on how many accounts have usage: %i', (count) => {
    const { calls, looks, slotRequests } = run(names(count), 16, () => 130, 13);
    expect(calls / 13).toBeGreaterThan(800);
    // Before: 16 looks per account and tick, 13,000 ticks: 1,040 million with 5,000 accounts.
    expect(looks).toBeLessThan(25 * calls + 10 * count);
    expect(slotRequests).toBeLessThan(3 * calls + 1_000);
  });

  it('is nothing while nothing changes', () => {
    const dispatcher = new Dispatcher({ concurrency: 256, ...defaultDispatchLimits });
    const load = new Load();
    for (const account of names(5_000)) load.arm(account, 10);
    dispatcher.add(load);
    dispatcher.tick(0);
    const { looks } = dispatcher;
    for (let nowMs = 1; nowMs < 1_000; nowMs++) dispatcher.tick(nowMs);
    expect(dispatcher.looks).toBe(looks);
  });
});
