/**
 * The outbox against a model broker under schedules that nobody thought of: connections lost at any point, confirms that
 * never arrive, messages returned and refused, spools that take, decline and fill up, clocks that stand still or leap. fast-check prints the seed and
 * the shortest failing schedule.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeMessage, encodeHeaders } from '../../../../shared/event/message.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { OutboxCore, type OutboxEvent, type Outgoing } from './core.ts';
import { defaultLimits, type OutboxLimits } from './limits.ts';
import type { PackedEvent } from './packing.ts';

type Verdict = 'confirmed' | 'refused' | 'returned' | 'silent';
type Action =
  | { readonly do: 'room'; readonly bytes: number | undefined }
  | { readonly do: 'spool'; readonly count: number }
  | { readonly do: 'disk'; readonly verdict: 'spooled' | 'spool_declined' }
  | { readonly do: 'submit'; readonly customers: readonly string[] }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'publish'; readonly count: number }
  | { readonly do: 'broker'; readonly verdict: Verdict }
  | { readonly do: 'connect' | 'lose' };

const limits: OutboxLimits = {
  ...defaultLimits,
  messageEventsMax: 3,
  heldBytesMax: 6_000,
  expiryMs: 1_000,
  slowMs: 150,
};
const slotOfCustomer: Readonly<Record<string, number>> = { a: 57, b: 56, c: 35 };

class World {
  readonly core = new OutboxCore({ producer: 'p', source: '', region: '' }, limits);
  nowMs = 0;
  generation = 0;
  connected = false;
  requests = 0;
  readonly idsOfRequest = new Map<number, readonly string[]>();
  readonly endOfRequest = new Map<number, string>();
  /** What the broker has, by id; it keeps everything that it ever took. */
  readonly stored = new Set<string>();
  readonly bytesOf = new Map<string, string>();
  readonly lastSequence = new Map<number, number>();
  /** On the wire of the current connection. */
  wire: Outgoing[] = [];
  /** What the spool has, by id, and what it has not told the fate of. */
  readonly spooled = new Set<string>();
  spooling: Outgoing[] = [];
  readonly hasSpool: boolean;

  constructor(hasSpool: boolean) {
    this.hasSpool = hasSpool;
    if (hasSpool) this.step({ kind: 'spool', roomBytes: 100_000 });
  }

  step(event: OutboxEvent): void {
    for (const effect of this.core.step(event, this.nowMs)) {
      if (this.endOfRequest.has(effect.request)) throw new Error(`request ${effect.request} ended twice`);
      this.endOfRequest.set(effect.request, effect.kind);
      if (effect.kind !== 'durable') continue;
      for (const id of this.idsOfRequest.get(effect.request) ?? []) {
        if (!this.stored.has(id) && !this.spooled.has(id))
          throw new Error(`${id} was called durable, and neither the broker nor the spool has it`);
      }
    }
  }

  run(action: Action): void {
    switch (action.do) {
      case 'submit': {
        const request = ++this.requests;
        const ids = action.customers.map((_, index) => `${request}.${index}`);
        this.idsOfRequest.set(request, ids);
        const events = action.customers.map((customer, index) => packed(ids[index] ?? '', customer));
        this.step({ kind: 'submitted', request, events, receivedAtMs: 1_795_426_200_000 + this.nowMs });
        break;
      }
      case 'pass':
        this.nowMs += action.ms;
        if (this.core.wakeAtMs <= this.nowMs) this.step({ kind: 'ticked' });
        break;
      case 'publish':
        this.publish(action.count);
        break;
      case 'broker':
        this.broker(action.verdict);
        break;
      case 'room':
        if (this.hasSpool) this.step({ kind: 'spool', roomBytes: action.bytes });
        break;
      case 'spool':
        this.spool(action.count);
        break;
      case 'disk':
        this.tellOfDisk(action.verdict);
        break;
      case 'connect':
        if (this.connected) break;
        this.connected = true;
        this.step({ kind: 'connected', generation: ++this.generation });
        break;
      case 'lose':
        this.connected = false;
        // What is on the wire arrives, and nobody hears of it.
        for (const message of this.wire) this.store(message);
        this.wire = [];
        this.step({ kind: 'lost', generation: this.generation });
        break;
    }
  }

  publish(count: number): void {
    for (let taken = 0; taken < count; taken++) {
      const message = this.core.take(this.nowMs);
      if (message === undefined) return;
      if (!this.connected) throw new Error('published without a connection');
      this.checkOrigin(message);
      this.wire.push(message);
    }
  }

  spool(count: number): void {
    for (let taken = 0; taken < count; taken++) {
      const message = this.core.takeForSpool(this.nowMs);
      if (message === undefined) return;
      if (!this.hasSpool) throw new Error('spooled without a spool');
      this.checkOrigin(message);
      this.spooling.push(message);
    }
  }

  tellOfDisk(verdict: 'spooled' | 'spool_declined'): void {
    const message = this.spooling.shift();
    if (message === undefined) return;
    const { origin, body } = message;
    if (verdict === 'spooled')
      for (const { id } of decodeMessage(body, encodeHeaders(origin)).message.events) this.spooled.add(id);
    this.step({ kind: verdict, slot: origin.slot, sequence: origin.sequence });
  }

  checkOrigin({ origin, body, again }: Outgoing): void {
    const key = `${origin.slot}/${origin.sequence}`;
    const known = this.bytesOf.get(key);
    if (again && known === undefined) throw new Error(`${key} is taken again, and never was before`);
    if (known !== undefined && known !== body.toString()) throw new Error(`${key} has other bytes than before`);
    if (known === undefined && origin.sequence !== (this.lastSequence.get(origin.slot) ?? 0) + 1)
      throw new Error(`${key} leaves a gap`);
    this.bytesOf.set(key, body.toString());
    this.lastSequence.set(origin.slot, Math.max(origin.sequence, this.lastSequence.get(origin.slot) ?? 0));
  }

  broker(verdict: Verdict): void {
    const message = this.wire.shift();
    if (message === undefined) return;
    const { slot, sequence } = message.origin;
    const tell = (kind: 'confirmed' | 'refused' | 'returned') =>
      this.step({ kind, generation: this.generation, slot, sequence });
    if (verdict === 'confirmed' || verdict === 'silent') this.store(message);
    if (verdict === 'returned') tell('returned');
    if (verdict === 'refused') tell('refused');
    else if (verdict !== 'silent') tell('confirmed');
  }

  store({ origin, body }: Outgoing): void {
    for (const { id } of decodeMessage(body, encodeHeaders(origin)).message.events) this.stored.add(id);
  }

  /** From here on everything works. */
  settle(): void {
    this.run({ do: 'room', bytes: undefined });
    while (this.spooling.length > 0) this.tellOfDisk('spool_declined');
    this.run({ do: 'lose' });
    this.run({ do: 'connect' });
    for (let round = 0; round < 50; round++) {
      this.run({ do: 'pass', ms: 50 });
      this.publish(Infinity);
      while (this.wire.length > 0) this.broker('confirmed');
    }
  }
}

function packed(id: string, customer: string): PackedEvent {
  const text = encodeEvent({ id, customer, meter: 'm', value: '1', timestamp: 1 });
  return { slot: slotOfCustomer[customer] ?? 0, text, bytes: text.length };
}

const customer = fc.constantFrom('a', 'b', 'c');
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('submit'), customers: fc.array(customer, { minLength: 1, maxLength: 8 }) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(0, 1, 3, 20, 100, 400, 1_200) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('publish'), count: fc.nat({ max: 5 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('broker'),
      verdict: fc.constantFrom<Verdict>('confirmed', 'confirmed', 'confirmed', 'refused', 'returned', 'silent'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('spool'), count: fc.nat({ max: 5 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('disk'),
      verdict: fc.constantFrom('spooled', 'spooled', 'spool_declined'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('room'), bytes: fc.constantFrom(undefined, 0, 1_000, 100_000, 100_000) }),
  },
  { weight: 2, arbitrary: fc.constant<Action>({ do: 'connect' }) },
  { weight: 1, arbitrary: fc.constant<Action>({ do: 'lose' }) },
);

it.each([false, true])('keeps its guarantees under any schedule (with a spool: %s)', (hasSpool) => {
  const ends = { durable: 0, expired: 0, turned_away: 0 };
  let spooled = 0;
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120, size: 'max' }), (actions) => {
      const world = new World(hasSpool);
      world.run({ do: 'connect' });
      for (const next of actions) world.run(next);
      world.settle();
      expect(world.endOfRequest.size).toBe(world.requests);
      expect([world.core.heldBytes, world.core.unconfirmedMessages, world.core.wakeAtMs]).toEqual([0, 0, Infinity]);
      for (const end of world.endOfRequest.values()) ends[end as keyof typeof ends]++;
      spooled += world.spooled.size;
    }),
    { numRuns: 500 },
  );
  // The schedules reach every end often, or they would prove little.
  expect(Math.min(ends.durable, ends.expired, ends.turned_away)).toBeGreaterThan(100);
  if (hasSpool) expect(spooled).toBeGreaterThan(1_000);
});
