import { decodeMessage, encodeHeaders } from '../../../../shared/event/message.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { OutboxCore, type OutboxEffect, type Outgoing } from './core.ts';
import { defaultLimits, type OutboxLimits } from './limits.ts';
import type { PackedEvent } from './packing.ts';

/** For tests of the core: an outbox whose clock, broker and clients are the test itself. */
const identity = { producer: 'p', source: 's', region: 'r' };
export const receivedAtMs = 1_795_426_200_250;

// Customers whose lane with the meter `m` has this slot, so that the messages can be decoded.
const customers = { 57: 'a', 56: 'b' } as const;
type Slot = keyof typeof customers;

export function event(id: string, slot: Slot = 57, padding = ''): PackedEvent {
  const dimensions = padding === '' ? {} : { dimensions: { padding } };
  const text = encodeEvent({ id, customer: customers[slot], meter: 'm', value: '1', timestamp: 1, ...dimensions });
  return { slot, text, bytes: Buffer.byteLength(text) };
}

/** An outbox with a clock, and with everything that it has published. */
export class Bench {
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

  tell(
    kind: 'confirmed' | 'refused' | 'returned' | 'spooled' | 'spool_declined',
    { origin }: Outgoing,
    generation = this.generation,
  ): void {
    const { slot, sequence } = origin;
    if (kind === 'spooled' || kind === 'spool_declined') this.step({ kind, slot, sequence });
    else this.step({ kind, generation, slot, sequence });
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

  takeForSpool(): Outgoing[] {
    const taken: Outgoing[] = [];
    for (let next = this.core.takeForSpool(this.nowMs); next !== undefined; next = this.core.takeForSpool(this.nowMs))
      taken.push(next);
    return taken;
  }

  /** The same for the spool. */
  spooled(): Outgoing[] {
    this.pass(defaultLimits.lingerMaxMs);
    return this.takeForSpool();
  }

  /** Takes what is there, after the longest linger. */
  published(): Outgoing[] {
    this.pass(defaultLimits.lingerMaxMs);
    return this.take();
  }
}

export function connected(limits?: Partial<OutboxLimits>): Bench {
  const bench = new Bench(limits);
  bench.connect();
  return bench;
}

export function idsOf({ origin, body }: Outgoing): string[] {
  return decodeMessage(body, encodeHeaders(origin)).message.events.map(({ id }) => id);
}

export const place = ({ origin }: Outgoing) => `${origin.slot}/${origin.sequence}`;

export function only<T>(items: readonly T[]): T {
  const [item] = items;
  if (items.length !== 1 || item === undefined) throw new Error(`one expected, got ${items.length}`);
  return item;
}
