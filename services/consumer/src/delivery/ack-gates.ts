/**
 * Which deliveries of a channel may be acked (invariant 3). Every delivery has a gate, the set that must settle first;
 * acked is only the longest run of deliveries, in order of delivery, whose gates are open. So one ack with `multiple`
 * covers exactly what is settled, and the broker keeps custody of the rest.
 */
export type Gate =
  /** Opens when this set is settled. */
  | number
  /** Open from the start: covered by a set that was settled before it was delivered. */
  | 'none'
  /** Not counted yet, because the open set is full. */
  | 'waiting'
  /** Opens when the broker has confirmed its copy on the dead-letter exchange. */
  | 'dead_letter';

export interface Held {
  readonly tag: number;
  gate: Gate;
}

export class AckGates {
  #held: Held[] = [];
  #head = 0;

  /** Deliveries that are not acked yet. */
  get size(): number {
    return this.#held.length - this.#head;
  }

  /** Must be called for every delivery of the channel, in order: a delivery left out would be acked by the next run. */
  deliver(tag: number, gate: Gate): Held {
    const held = { tag, gate };
    this.#held.push(held);
    return held;
  }

  openDeadLetter(tag: number): void {
    const held = this.#held.find((candidate) => candidate.tag === tag && candidate.gate === 'dead_letter');
    if (held !== undefined) held.gate = 'none';
  }

  /** The last tag of the run that is ready now that all sets up to `settledThrough` are settled, and forgets the run. */
  take(settledThrough: number): number | undefined {
    let last: number | undefined;
    for (let held = this.#held[this.#head]; held !== undefined; held = this.#held[this.#head]) {
      if (
        held.gate === 'dead_letter' ||
        held.gate === 'waiting' ||
        (held.gate !== 'none' && held.gate > settledThrough)
      )
        break;
      last = held.tag;
      this.#head++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#head);
      this.#head = 0;
    }
    return last;
  }

  /** The channel is gone: the broker delivers everything that was not acked again. */
  clear(): void {
    this.#held = [];
    this.#head = 0;
  }
}
