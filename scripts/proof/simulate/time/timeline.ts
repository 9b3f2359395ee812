/**
 * The virtual clock: what happens next, one thing after the other. Things that are due at the same time happen in the
 * order in which they were scheduled, so a run depends on nothing but its seed.
 */
export type Action = () => void;

const happeningsMax = 1_000_000;

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly action: Action;
}

export class Timeline {
  readonly #heap: Scheduled[] = [];
  #nowMs = 0;
  #scheduled = 0;
  #happened = 0;
  #stopped = false;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many things have happened. */
  get happened(): number {
    return this.#happened;
  }

  at(atMs: number, action: Action): void {
    this.#push({ atMs: Math.max(atMs, this.#nowMs), order: this.#scheduled++, action });
  }

  after(delayMs: number, action: Action): void {
    this.at(this.#nowMs + delayMs, action);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Until `stop` is called or nothing is left. Throws when it does not come to an end. */
  run(): void {
    while (!this.#stopped) {
      const next = this.#pop();
      if (next === undefined) return;
      this.#nowMs = next.atMs;
      this.#happened++;
      if (this.#happened > happeningsMax)
        throw new Error(`After ${happeningsMax} steps there is no end: something goes round in circles.`);
      next.action();
    }
  }

  #push(scheduled: Scheduled): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(scheduled);
    while (index > 0) {
      const parentIndex = (index - 1) >>> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || !isBefore(scheduled, parent)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = scheduled;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (!isBefore(child, last)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(left: Scheduled, right: Scheduled): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
