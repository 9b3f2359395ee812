import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeHeaders } from '../../../../shared/event/message.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { OutboxCore, type OutboxEffect, type Outgoing } from './core.ts';
import { defaultLimits, type OutboxLimits } from './limits.ts';
import type { PackedEvent } from './packing.ts';

const identity = { producer: 'p', source: 's', region: 'r' };
const receivedAtMs = 1_795_426_200_250;

// Customers whose lane with the meter `m` has this slot, so that the messages can be decoded.
const customers = { 57: 'a', 56: 'b' } as const;
type Slot = keyof typeof customers;

function event(id: string, slot: Slot = 57, padding = ''): PackedEvent {
  const dimensions = padding === '' ? {} : { dimensions: { padding } };
  const text = encodeEvent({ id, customer: customers[slot], meter: 'm', value: '1', timestamp: 1, ...dimensions });
  return { slot, text, bytes: Buffer.byteLength(text) };
}

/** An outbox with a clock, and with everything that it has published. */
class Bench {
  readonly core: OutboxCore;
  readonly effects: OutboxEffect[] = [];
  nowMs = 1_000;
  generation = 0;
  #requests = 0;

  constructor(limits: Partial<OutboxLimits> = {}) {
    this.core = new OutboxCore(identity, { ...defaultLimits, ...limits });
  }

  step(event: Parameters<OutboxCore['step']>[0]): void {
    this.effects.push(...this.core.step(event, this.nowMs));
  }

  connect(): void {
    this.step({ kind: 'connected', generation: ++this.generation });
  }

  lose(): void {
    this.step({ kind: 'lost', generation: this.generation });
  }

  submit(...events: PackedEvent[]): number {
    const request = ++this.#requests;
    this.step({ kind: 'submitted', request, events, receivedAtMs });
    return request;
  }

  tell(kind: 'confirmed' | 'refused' | 'returned', { origin }: Outgoing, generation = this.generation): void {
    this.step({ kind, generation, slot: origin.slot, sequence: origin.sequence });
  }

  /** Lets time pass, waking the core whenever it wants to be. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.core.wakeAtMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.core.wakeAtMs);
      this.step({ kind: 'ticked' });
    }
    this.nowMs = untilMs;
  }

  take(): Outgoing[] {
    const taken: Outgoing[] = [];
    for (let next = this.core.take(this.nowMs); next !== undefined; next = this.core.take(this.nowMs)) taken.push(next);
    return taken;
  }

  /** Takes what is there, after the longest linger. */
  published(): Outgoing[] {
    this.pass(defaultLimits.lingerMaxMs);
    return this.take();
  }
}

function connected(limits?: Partial<OutboxLimits>): Bench {
  const bench = new Bench(limits);
  bench.connect();
  return bench;
}

function idsOf({ origin, body }: Outgoing): string[] {
  return decodeMessage(body, encodeHeaders(origin)).message.events.map(({ id }) => id);
}

const place = ({ origin }: Outgoing) => `${origin.slot}/${origin.sequence}`;

function only<T>(items: readonly T[]): T {
  const [item] = items;
  if (items.length !== 1 || item === undefined) throw new Error(`one expected, got ${items.length}`);
  return item;
}

describe('packing', () => {
  it('waits for the linger, and not for each slot anew', () => {
    const bench = connected();
    bench.submit(event('1', 57));
    bench.pass(1);
    bench.submit(event('2', 56));
    expect(bench.take()).toEqual([]);
    bench.pass(1);
    expect(bench.take().map(place)).toEqual(['57/1', '56/1']);
  });

  it('puts events of one slot into one message, whatever request they come from', () => {
    const bench = connected();
    bench.submit(event('1'), event('2'));
    bench.submit(event('3'));
    expect(idsOf(only(bench.published()))).toEqual(['1', '2', '3']);
  });

  it('is readable, and says when its first event was accepted and who wrote it', () => {
    const bench = connected();
    bench.submit(event('1'));
    const { origin, body } = only(bench.published());
    expect(decodeMessage(body, encodeHeaders(origin))).toMatchObject({
      origin: { producer: 'p', slot: 57, sequence: 1 },
      message: { version: 1, receivedAt: receivedAtMs / 1000, source: 's', region: 'r' },
    });
  });

  it('closes a message at its bound of events without waiting', () => {
    const bench = connected({ messageEventsMax: 2 });
    bench.submit(event('1'), event('2'), event('3'));
    expect(bench.take().map(idsOf)).toEqual([['1', '2']]);
    expect(bench.published().map(idsOf)).toEqual([['3']]);
  });

  it('never makes a message larger than its bound of bytes', () => {
    const bench = connected();
    bench.submit(...Array.from({ length: 600 }, (_, index) => event(String(index), 57, 'ä'.repeat(250))));
    const messages = bench.published();
    expect(messages.flatMap(idsOf)).toHaveLength(600);
    expect(messages.every(({ body }) => body.byteLength <= defaultLimits.messageBytesMax)).toBe(true);
    expect(messages[0]?.body.byteLength).toBeGreaterThan(defaultLimits.messageBytesMax - 1_000);
  });

  it('lingers longer the more messages are on their way', () => {
    const bench = connected({ lingerFullAt: 4 });
    const lingers: number[] = [];
    for (let index = 0; index < 6; index++) {
      bench.submit(event(String(index)));
      lingers.push(bench.core.wakeAtMs - bench.nowMs);
      only(bench.published());
    }
    expect(lingers).toEqual([2, 6.5, 11, 15.5, 20, 20]);
  });
});

describe('answers', () => {
  it('calls a request durable only when all of its messages are confirmed', () => {
    const bench = connected();
    const request = bench.submit(event('1', 57), event('2', 56));
    const [first, second] = bench.published();
    bench.tell('confirmed', second!);
    expect(bench.effects).toEqual([]);
    bench.tell('confirmed', first!);
    expect(bench.effects).toEqual([{ kind: 'durable', request }]);
    expect([bench.core.heldBytes, bench.core.unconfirmedMessages]).toEqual([0, 0]);
  });

  it('turns requests away while the broker is away, and takes them when it is back', () => {
    const bench = new Bench();
    const request = bench.submit(event('1'));
    expect(bench.effects).toEqual([{ kind: 'turned_away', request, reason: 'broker_unavailable' }]);
    bench.connect();
    expect(bench.core.turnsAway).toBeUndefined();
    bench.lose();
    expect(bench.core.turnsAway).toBe('broker_unavailable');
  });

  it('turns requests away while the broker has stopped reading', () => {
    const bench = connected();
    bench.step({ kind: 'blocked', blocked: true });
    expect(bench.core.turnsAway).toBe('broker_unavailable');
    bench.step({ kind: 'blocked', blocked: false });
    expect(bench.core.turnsAway).toBeUndefined();
  });

  it('turns away what would be too much, and takes it when there is room again', () => {
    const bench = connected({ heldBytesMax: 900 });
    bench.submit(event('1'), event('2'));
    const refused = bench.submit(event('3'));
    expect(bench.effects).toEqual([{ kind: 'turned_away', request: refused, reason: 'overloaded' }]);
    bench.tell('confirmed', only(bench.published()));
    const taken = bench.submit(event('3'));
    bench.tell('confirmed', only(bench.published()));
    expect(bench.effects.at(-1)).toEqual({ kind: 'durable', request: taken });
  });

  it('takes a request that is larger than the bound while nothing else waits, or it could never be taken', () => {
    const bench = connected({ heldBytesMax: 100 });
    bench.submit(event('1'), event('2'));
    expect(bench.effects).toEqual([]);
    expect(bench.core.turnsAway).toBe('overloaded');
  });
});

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

it('wants to be woken only while something waits', () => {
  const bench = connected();
  expect(bench.core.wakeAtMs).toBe(Infinity);
  bench.submit(event('1'));
  bench.tell('confirmed', only(bench.published()));
  bench.pass(60_000);
  expect(bench.core.wakeAtMs).toBe(Infinity);
});
