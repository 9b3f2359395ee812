import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeHeaders } from '../../../../shared/event/message.ts';
import { Bench, connected, event, idsOf, only, place, receivedAtMs } from './bench.ts';
import { defaultLimits } from './limits.ts';

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

it('wants to be woken only while something waits', () => {
  const bench = connected();
  expect(bench.core.wakeAtMs).toBe(Infinity);
  bench.submit(event('1'));
  bench.tell('confirmed', only(bench.published()));
  bench.pass(60_000);
  expect(bench.core.wakeAtMs).toBe(Infinity);
});
