import { describe, expect, it } from 'vitest';
import { Bench, connected, event, idsOf, only, place } from './bench.ts';
import { defaultLimits } from './limits.ts';

const roomy = 1_000_000;

function withSpool(bench: Bench, roomBytes = roomy): Bench {
  bench.step({ kind: 'spool', roomBytes });
  return bench;
}
const away = (roomBytes?: number) => withSpool(new Bench(), roomBytes);

describe('while the broker is away', () => {
  it('gives messages to the spool, in order, and tells their requests once they are stored', () => {
    const bench = away();
    bench.submit(event('1', 57), event('2', 56));
    bench.submit(event('3', 57));
    const spooled = bench.spooled();
    expect(spooled.map(place)).toEqual(['57/1', '56/1']);
    expect(spooled.flatMap(idsOf)).toEqual(['1', '3', '2']);
    expect([bench.take(), bench.effects]).toEqual([[], []]);
    bench.tell('spooled', spooled[0]!);
    expect(bench.effects).toEqual([{ kind: 'durable', request: 2 }]);
    bench.tell('spooled', spooled[1]!);
    expect(bench.effects).toEqual([
      { kind: 'durable', request: 2 },
      { kind: 'durable', request: 1 },
    ]);
    expect([bench.core.heldBytes, bench.core.unconfirmedMessages]).toEqual([0, 0]);
  });

  it('gives what was unconfirmed to the spool, with the same sequence and bytes, before anything new', () => {
    const bench = withSpool(connected());
    bench.submit(event('1'));
    const published = only(bench.published());
    bench.submit(event('2'));
    bench.lose();
    const [again, fresh] = bench.spooled();
    expect(again).toEqual(published);
    expect(fresh?.origin.sequence).toBe(2);
  });

  it('goes on with the broker as soon as it is back, and repeats nothing that the spool has', () => {
    const bench = away();
    bench.submit(event('1'));
    const [spooling] = bench.spooled();
    bench.connect();
    expect(bench.take()).toEqual([]);
    bench.submit(event('2'));
    expect(bench.published().map(place)).toEqual(['57/2']);
    bench.tell('spooled', spooling!);
    expect(bench.effects).toEqual([{ kind: 'durable', request: 1 }]);
  });

  it('publishes what the spool has declined, with the same sequence and bytes', () => {
    const bench = away();
    bench.submit(event('1'));
    const [spooling] = bench.spooled();
    bench.step({ kind: 'spool', roomBytes: undefined });
    bench.tell('spool_declined', spooling!);
    expect(bench.takeForSpool()).toEqual([]);
    bench.connect();
    expect(bench.take().map(({ origin, body }) => [origin, body])).toEqual([[spooling!.origin, spooling!.body]]);
  });

  it('turns requests away when there is no room for all that is held, or no spool to write to', () => {
    const bench = away(1_000);
    bench.submit(event('1'), event('2'));
    expect(bench.core.turnsAway).toBeUndefined();
    bench.submit(event('3'), event('4'));
    expect(bench.effects).toEqual([{ kind: 'turned_away', request: 2, reason: 'spool_full' }]);
    withSpool(bench, 0);
    expect(bench.core.turnsAway).toBe('spool_full');
    bench.step({ kind: 'spool', roomBytes: undefined });
    expect(bench.core.turnsAway).toBe('spool_unavailable');
    expect(new Bench().core.turnsAway).toBe('broker_unavailable');
  });

  it('drops what could be neither published nor spooled within 30 s', () => {
    const bench = away();
    bench.submit(event('1'));
    const [spooling] = bench.spooled();
    bench.pass(30_000);
    expect(bench.effects).toEqual([{ kind: 'expired', request: 1 }]);
    bench.tell('spooled', spooling!);
    expect(bench.effects).toHaveLength(1);
  });
});

describe('a broker that does not answer', () => {
  function slow(): { bench: Bench; published: ReturnType<Bench['published']> } {
    const bench = withSpool(connected());
    bench.submit(event('1', 57));
    bench.submit(event('2', 56));
    const published = bench.published();
    bench.pass(defaultLimits.slowMs - 1);
    expect(bench.takeForSpool()).toEqual([]);
    expect(bench.core.mayReplay).toBe(true);
    bench.pass(1);
    return { bench, published };
  }

  it('is slow after two seconds: what it has not confirmed goes to the spool, and so does what comes', () => {
    const { bench, published } = slow();
    bench.submit(event('3', 57));
    const spooled = bench.spooled();
    expect(spooled.slice(0, 2)).toEqual(published);
    expect(spooled.map(place)).toEqual(['57/1', '56/1', '57/2']);
    expect([bench.take(), bench.core.mayReplay]).toEqual([[], false]);
    for (const message of spooled) bench.tell('spooled', message);
    expect(bench.effects.map(({ request }) => request)).toEqual([1, 2, 3]);
  });

  it('is used again once it has answered all that was old', () => {
    const { bench, published } = slow();
    for (const message of bench.takeForSpool()) bench.tell('spooled', message);
    bench.tell('confirmed', published[0]!);
    bench.submit(event('3', 57));
    expect(bench.published()).toEqual([]);
    bench.tell('confirmed', published[1]!);
    expect(bench.core.mayReplay).toBe(true);
    expect(bench.take().map(place)).toEqual(['57/2']);
  });

  it('has said enough when it confirms before the spool does', () => {
    const { bench, published } = slow();
    const [spooling] = bench.takeForSpool();
    bench.tell('confirmed', published[0]!);
    expect(bench.effects).toEqual([{ kind: 'durable', request: 1 }]);
    bench.tell('spooled', spooling!);
    expect(bench.effects).toHaveLength(1);
  });

  it('is waited for when the spool has no room, and nothing is published twice on one connection', () => {
    const { bench, published } = slow();
    withSpool(bench, 0);
    expect(bench.take()).toEqual([]);
    bench.submit(event('3', 57));
    expect(bench.published().map(place)).toEqual(['57/2']);
    for (const message of published) bench.tell('confirmed', message);
    expect(bench.effects.map(({ kind }) => kind)).toEqual(['durable', 'durable']);
  });
});

describe('a message that the broker does not want', () => {
  it.each(['refused', 'returned'] as const)(
    'goes to the spool when it was %s, while others go on to the broker',
    (verdict) => {
      const bench = withSpool(connected());
      bench.submit(event('1', 57), event('2', 56));
      const [unwanted, other] = bench.published();
      bench.tell(verdict, unwanted!);
      if (verdict === 'returned') bench.tell('confirmed', unwanted!);
      bench.tell('confirmed', other!);
      expect(bench.take()).toEqual([]);
      const spooling = only(bench.takeForSpool());
      expect(spooling).toEqual(unwanted);
      bench.tell('spooled', spooling);
      expect(bench.effects).toEqual([{ kind: 'durable', request: 1 }]);
    },
  );

  it('is published again after a pause when the spool has no room for it', () => {
    const bench = withSpool(connected());
    bench.submit(event('1'));
    const unwanted = only(bench.published());
    bench.tell('refused', unwanted);
    withSpool(bench, 0);
    expect(bench.take()).toEqual([]);
    bench.pass(defaultLimits.retry.baseMs);
    expect(only(bench.take()).origin).toEqual(unwanted.origin);
  });
});

it('gives messages to the spool while the broker has stopped reading', () => {
  const bench = withSpool(connected());
  bench.step({ kind: 'blocked', blocked: true });
  bench.submit(event('1'));
  expect(only(bench.spooled()).origin.sequence).toBe(1);
  bench.step({ kind: 'blocked', blocked: false });
  bench.submit(event('2'));
  expect(only(bench.published()).origin.sequence).toBe(2);
});
