/** How often each thing happened: a simulation in which nothing happens proves nothing. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string, times = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + times);
  }

  addAll(other: Tally): void {
    for (const [what, times] of other.#counts) this.add(what, times);
  }

  get(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  entries(): [what: string, times: number][] {
    return [...this.#counts].sort(([left], [right]) => (left < right ? -1 : 1));
  }
}
