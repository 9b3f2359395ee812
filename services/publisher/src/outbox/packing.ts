import { slotCount } from '../../../../shared/event/lane.ts';
import { Fifo } from './fifo.ts';
import type { OutboxLimits } from './limits.ts';

/** An accepted event, serialised as it will stand in its message. */
export interface PackedEvent {
  readonly slot: number;
  readonly text: string;
  /** Of `text` in UTF-8. */
  readonly bytes: number;
}

/** One request that waits for its messages. */
export interface Ticket {
  readonly request: number;
  /** Batches and messages that hold an event of it. */
  outstanding: number;
  answered: boolean;
}

/** The events of one slot that become one message. */
export interface Batch {
  readonly slot: number;
  /** Of its first event: the outbox's clock, for linger and expiry, and the wall's, for the message. */
  readonly firstMs: number;
  readonly receivedAtMs: number;
  readonly texts: string[];
  /** Upper bound of the body's size. */
  bodyBytes: number;
  /** What it counts against `heldBytesMax`. */
  heldBytes: number;
  readonly tickets: Ticket[];
}

/**
 * Packs events per slot. A batch is open until it is full or the linger is over, then it is ready, in order. There is one linger for
 * all slots, begun by the first event that finds every slot empty: one timer instead of 64.
 */
export class Packing {
  readonly #limits: OutboxLimits;
  readonly #envelopeBytes: number;
  readonly #open: (Batch | undefined)[] = new Array<Batch | undefined>(slotCount).fill(undefined);
  readonly #openSlots: number[] = [];
  readonly #ready = new Fifo<Batch>();
  #lingerUntilMs = Infinity;

  constructor(limits: OutboxLimits, envelopeBytes: number) {
    this.#limits = limits;
    this.#envelopeBytes = envelopeBytes;
  }

  /** When the open batches are ready; infinity if there is none. */
  get lingerUntilMs(): number {
    return this.#lingerUntilMs;
  }

  get readyCount(): number {
    return this.#ready.size;
  }

  add(event: PackedEvent, ticket: Ticket, nowMs: number, receivedAtMs: number, lingerMs: number): void {
    let batch = this.#open[event.slot];
    if (batch !== undefined && batch.bodyBytes + event.bytes + 1 > this.#limits.messageBytesMax) {
      this.#seal(event.slot);
      batch = undefined;
    }
    if (batch === undefined) {
      batch = {
        slot: event.slot,
        firstMs: nowMs,
        receivedAtMs,
        texts: [],
        bodyBytes: this.#envelopeBytes,
        heldBytes: 0,
        tickets: [],
      };
      this.#open[event.slot] = batch;
      this.#openSlots.push(event.slot);
      if (this.#lingerUntilMs === Infinity) this.#lingerUntilMs = nowMs + lingerMs;
    }
    batch.texts.push(event.text);
    batch.bodyBytes += event.bytes + 1;
    batch.heldBytes += event.bytes + this.#limits.eventOverheadBytes;
    if (batch.tickets.at(-1) !== ticket) {
      batch.tickets.push(ticket);
      ticket.outstanding++;
    }
    if (batch.texts.length >= this.#limits.messageEventsMax) this.#seal(event.slot);
  }

  /** Makes every open batch ready, if the linger is over. */
  flush(nowMs: number): void {
    if (nowMs < this.#lingerUntilMs) return;
    for (const slot of this.#openSlots) {
      const batch = this.#open[slot];
      if (batch !== undefined) this.#ready.push(batch);
      this.#open[slot] = undefined;
    }
    this.#openSlots.length = 0;
    this.#lingerUntilMs = Infinity;
  }

  /** The oldest batch that is ready. */
  peek(): Batch | undefined {
    return this.#ready.peek();
  }

  take(): Batch | undefined {
    return this.#ready.shift();
  }

  #seal(slot: number): void {
    const batch = this.#open[slot];
    if (batch === undefined) return;
    this.#ready.push(batch);
    this.#open[slot] = undefined;
    // Its slot number stays in #openSlots, where flush skips it, unless it is opened again and then stands there twice.
  }
}
