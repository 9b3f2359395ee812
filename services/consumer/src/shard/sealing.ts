import type { ShardMemory } from '../counting/memory.ts';
import { unsureMeters } from '../meters/meter-knowledge.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import type { Flight } from '../sending/flight.ts';
import type { DeliveryLimits, ShardDeliveries } from './deliveries.ts';
import type { MessageCounter } from './message-counter.ts';

export interface SealingParts {
  readonly memory: ShardMemory;
  readonly flight: Flight;
  readonly deliveries: ShardDeliveries;
  readonly counter: MessageCounter;
}

/** When a shard's open set is sealed: never while another one is in flight (invariant 9). */
export class Sealing {
  readonly #limits: DeliveryLimits;
  readonly #parts: SealingParts;
  #dueSinceMs: number | undefined;

  constructor(limits: DeliveryLimits, parts: SealingParts) {
    this.#limits = limits;
    this.#parts = parts;
  }

  /**
   * Seals the set if that is due. How events merge depends on their meter's formula, so a set with a meter that is not known waits
   * for a newer catalog, as long as one may come: answers the account whose meters are needed then.
   */
  seal(mode: 'owned' | 'draining' | 'closing', catalog: MeterCatalog, nowMs: number): string | undefined {
    if (!this.#isDue(mode, nowMs)) {
      this.#dueSinceMs = undefined;
      return undefined;
    }
    this.#dueSinceMs ??= nowMs;
    return this.#seal(catalog, this.#dueSinceMs, nowMs);
  }

  /**
   * What was delivered may never come again: seals it without waiting for its time, if it can be sealed at all. If it does come again,
   * its cursors tell (invariant 4).
   */
  sealEarly(catalog: MeterCatalog, nowMs: number): void {
    const { memory, flight } = this.#parts;
    if (flight.pendingSet === undefined && memory.open.messages > 0) this.#seal(catalog, nowMs, nowMs);
  }

  #seal(catalog: MeterCatalog, dueSinceMs: number, nowMs: number): string | undefined {
    const { memory, flight, deliveries } = this.#parts;
    const room = flight.drive.deferred.roomForClosed;
    const unsure = unsureMeters(memory.open.unknownMeters, catalog, dueSinceMs, room, nowMs);
    if (typeof unsure === 'string') return unsure;
    flight.seal(memory, catalog, deliveries.isInOrder(memory.open.heldSinceMs), nowMs, unsure);
    return undefined;
  }

  #isDue(mode: 'owned' | 'draining' | 'closing', nowMs: number): boolean {
    const { memory, flight, deliveries, counter } = this.#parts;
    const { open } = memory;
    if (flight.pendingSet !== undefined || open.messages === 0) return false;
    switch (mode) {
      case 'draining':
        return true;
      case 'owned':
        return (
          open.events >= this.#limits.flushEvents ||
          counter.isFull ||
          nowMs - open.heldSinceMs >= this.#limits.flushIntervalMs ||
          deliveries.isHalfFull
        );
      case 'closing':
        return false;
    }
  }
}
