/** What is to be looked at again, by time. A later word about the same one takes the place of the one before. */
export class TimeHeap<Item> {
  readonly #heap: { readonly atMs: number; readonly item: Item }[] = [];
  readonly #atMs = new Map<Item, number>();

  /** Infinity: no more. */
  set(item: Item, atMs: number): void {
    if (this.#atMs.get(item) === atMs) return;
    if (atMs === Number.POSITIVE_INFINITY) {
      this.#atMs.delete(item);
      return;
    }
    this.#atMs.set(item, atMs);
    this.#push({ atMs, item });
  }

  /** The first time, or Infinity. */
  get firstAtMs(): number {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#atMs.get(top.item) === top.atMs) return top.atMs;
      this.#pop();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Takes one whose time has come. */
  takeDue(nowMs: number): Item | undefined {
    if (this.firstAtMs > nowMs) return undefined;
    const top = this.#pop();
    if (top !== undefined) this.#atMs.delete(top.item);
    return top?.item;
  }

  #push(added: { readonly atMs: number; readonly item: Item }): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(added);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (above.atMs <= added.atMs) break;
      heap[at] = above;
      heap[parent] = added;
      at = parent;
    }
  }

  #pop(): { readonly atMs: number; readonly item: Item } | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    heap[0] = last;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++;
      const below = heap[child]!;
      if (below.atMs >= last.atMs) break;
      heap[at] = below;
      heap[child] = last;
      at = child;
    }
    return top;
  }
}
