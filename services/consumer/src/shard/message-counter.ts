import type { MessageOrigin, UsageMessage } from '../../../../shared/event/usage-event.ts';
import type { ShardMemory } from '../counting/memory.ts';
import { type SetBounds, setBounds } from '../counting/open-set.ts';
import type { Held } from '../delivery/ack-gates.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import type { Flight } from '../sending/flight.ts';
import type { Unsealed } from './protocol.ts';

/** As it was delivered. */
export interface DeliveredMessage {
  readonly held: Held;
  readonly origin: MessageOrigin;
  readonly message: UsageMessage;
  readonly deliveredAtMs: number;
}

/** Of the waiting ones, in one step: others wait for the event loop. */
const eventsPerStep = 20_000;

/**
 * Counts what a shard was delivered into its open set, and says until when the broker keeps each message. Once the set is full,
 * what comes waits: it is counted into the next one, in its turn.
 */
export class MessageCounter {
  readonly #memory: ShardMemory;
  readonly #flight: Flight;
  readonly #bounds: SetBounds;
  #waiting: DeliveredMessage[] = [];

  constructor(memory: ShardMemory, flight: Flight, bounds: SetBounds = setBounds) {
    this.#memory = memory;
    this.#flight = flight;
    this.#bounds = bounds;
  }

  /** The open set takes no more. */
  get isFull(): boolean {
    return this.#memory.open.isFull(this.#bounds);
  }

  /** Messages that wait for the next set. */
  get waiting(): number {
    return this.#waiting.length;
  }

  delivered(delivered: DeliveredMessage, catalog: MeterCatalog): void {
    // In the order of delivery, always: what is older than the oldest of a set must not come after it (invariant 4).
    if (this.#waiting.length > 0 || this.isFull) this.#waiting.push(delivered);
    else this.#count(delivered, catalog);
  }

  countWaiting(catalog: MeterCatalog): void {
    let counted = 0;
    let events = 0;
    for (const waiting of this.#waiting) {
      if (events >= eventsPerStep || this.isFull) break;
      this.#count(waiting, catalog);
      counted++;
      events += waiting.message.events.length;
    }
    if (counted > 0) this.#waiting = this.#waiting.slice(counted);
  }

  /** The channel is gone, and with it everything that was counted and not sealed (invariant 5): answers how much that is. */
  discard(): Unsealed {
    const { open } = this.#memory;
    const messages = open.messages + this.#waiting.length;
    const events = this.#waiting.reduce((sum, { message }) => sum + message.events.length, open.events);
    this.#waiting = [];
    this.#memory.discardOpen(this.#flight.next);
    return { messages, events };
  }

  #count({ held, origin, message, deliveredAtMs }: DeliveredMessage, catalog: MeterCatalog): void {
    switch (this.#memory.cursors.find(origin)) {
      case 'open':
        held.gate = this.#flight.next;
        break;
      case 'sealed':
        // The set that covers it may be the one in flight, so custody stays with the broker until that settles.
        held.gate = this.#flight.pendingSet ?? 'none';
        break;
      case 'new': {
        held.gate = this.#flight.next;
        const acceptedAtMs = Math.min(message.receivedAt * 1000, this.#flight.clock.at(deliveredAtMs));
        this.#memory.count(origin, message.events, this.#flight.next, acceptedAtMs, catalog, deliveredAtMs);
        break;
      }
    }
  }
}
