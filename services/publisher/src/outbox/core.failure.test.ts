import { describe, expect, it } from 'vitest';
import { connected, event, only, place } from './bench.ts';
import { defaultLimits } from './limits.ts';

describe('a lost connection', () => {
  it('publishes again what is unconfirmed, in order, with the same sequence and bytes, before anything new', () => {
    const bench = connected();
    bench.submit(event('1', 57));
    bench.submit(event('2', 56));
    const before = bench.published();
    bench.submit(event('3', 57));
    bench.lose();
    expect(bench.published()).toEqual([]);
    bench.connect();
    const after = bench.take();
    expect(after.map(place)).toEqual(['57/1', '56/1', '57/2']);
    expect(after.map(({ again }) => again)).toEqual([true, true, false]);
    expect(after.slice(0, 2).map(({ body }) => body)).toEqual(before.map(({ body }) => body));
  });

  it('does not publish again what was confirmed before', () => {
    const bench = connected();
    bench.submit(event('1', 57), event('2', 56));
    const [first, second] = bench.published();
    bench.tell('confirmed', first!);
    bench.lose();
    bench.connect();
    expect(bench.take().map(place)).toEqual([place(second!)]);
  });

  it('gives no weight to what is said on the old channel', () => {
    const bench = connected();
    bench.submit(event('1'));
    const message = only(bench.published());
    bench.lose();
    bench.tell('confirmed', message, 1);
    bench.connect();
    bench.tell('confirmed', message, 1);
    expect(bench.effects).toEqual([]);
    bench.tell('confirmed', only(bench.take()));
    expect(bench.effects).toEqual([{ kind: 'durable', request: 1 }]);
  });

  it('does not believe a confirm of the new channel for a message that was not published on it yet', () => {
    const bench = connected();
    bench.submit(event('1'));
    const message = only(bench.published());
    bench.lose();
    bench.connect();
    bench.tell('confirmed', message);
    expect(bench.effects).toEqual([]);
  });

  it('is the end of a return whose confirm it cut off', () => {
    const bench = connected();
    bench.submit(event('1'));
    bench.tell('returned', only(bench.published()));
    bench.lose();
    bench.connect();
    bench.tell('confirmed', only(bench.take()));
    expect(bench.effects).toEqual([{ kind: 'durable', request: 1 }]);
  });

  it('gives no sequence to what was never published', () => {
    const bench = connected();
    bench.submit(event('1'));
    bench.lose();
    bench.pass(40_000);
    expect(bench.effects).toEqual([{ kind: 'expired', request: 1 }]);
    bench.connect();
    bench.submit(event('2'));
    expect(only(bench.published()).origin.sequence).toBe(1);
  });
});

describe('messages that the broker does not take', () => {
  it('are published again after a pause that grows, with the same sequence and bytes', () => {
    const bench = connected();
    bench.submit(event('1'));
    let message = only(bench.published());
    const pausesMs: number[] = [];
    for (let round = 0; round < 8; round++) {
      bench.tell('refused', message);
      const failedMs = bench.nowMs;
      expect(bench.take()).toEqual([]);
      bench.pass(bench.core.wakeAtMs - bench.nowMs);
      pausesMs.push(bench.nowMs - failedMs);
      const next = only(bench.take());
      expect({ ...next, again: false }).toEqual({ ...message, again: false });
      message = next;
    }
    expect(pausesMs).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    bench.tell('confirmed', message);
    expect(bench.effects).toEqual([{ kind: 'durable', request: 1 }]);
  });

  it('are not durable when they were returned, although the broker confirms them', () => {
    const bench = connected();
    bench.submit(event('1'));
    const message = only(bench.published());
    bench.tell('returned', message);
    bench.tell('confirmed', message);
    expect(bench.effects).toEqual([]);
    bench.pass(100);
    bench.tell('confirmed', only(bench.take()));
    expect(bench.effects).toEqual([{ kind: 'durable', request: 1 }]);
  });

  it('are published once on a new connection, although their pause was not over', () => {
    const bench = connected();
    bench.submit(event('1'));
    bench.tell('refused', only(bench.published()));
    bench.lose();
    bench.connect();
    only(bench.take());
    bench.pass(10_000);
    expect(bench.take()).toEqual([]);
  });

  it('are dropped 30 s after their first event, and their requests are told', () => {
    const bench = connected();
    bench.submit(event('1', 57), event('2', 56));
    const [first, second] = bench.published();
    bench.tell('confirmed', first!);
    bench.pass(defaultLimits.expiryMs - defaultLimits.lingerMaxMs - 1);
    expect(bench.effects).toEqual([]);
    bench.pass(1);
    expect(bench.effects).toEqual([{ kind: 'expired', request: 1 }]);
    bench.tell('confirmed', second!);
    expect(bench.effects).toHaveLength(1);
    expect([bench.core.heldBytes, bench.core.unconfirmedMessages]).toEqual([0, 0]);
    bench.lose();
    bench.connect();
    expect(bench.take()).toEqual([]);
  });

  it('do not take a younger message with them', () => {
    const bench = connected();
    bench.submit(event('1'));
    only(bench.published());
    bench.pass(20_000);
    bench.submit(event('2'));
    const young = only(bench.published());
    bench.pass(15_000);
    expect(bench.effects).toEqual([{ kind: 'expired', request: 1 }]);
    bench.tell('confirmed', young);
    expect(bench.effects.at(-1)).toEqual({ kind: 'durable', request: 2 });
  });

  it('are not taken once they are too old, even before the clock has told', () => {
    const bench = connected();
    bench.submit(event('1'));
    bench.pass(2);
    bench.nowMs += 60_000;
    expect(bench.take()).toEqual([]);
    bench.step({ kind: 'ticked' });
    expect(bench.effects).toEqual([{ kind: 'expired', request: 1 }]);
  });
});
