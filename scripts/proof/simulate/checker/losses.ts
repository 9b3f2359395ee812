import type { LostSet } from './calls.ts';

/**
 * What Redis has lost, and what that excuses (invariant 8): once a person has run `tallyman recover`, what was sent and is still on the
 * broker is billed again; ids that were remembered are not known any more; and what the journal alone kept (dead, in doubt,
 * deferred, of a set that is settled) is gone. Until then nothing that was sent may be committed anew.
 */
export class Losses {
  #any = false;
  #isRecovered = false;
  #noticedMs: number | undefined;
  readonly #sets = new Map<string, LostSet>();
  readonly #gone = new Set<string>();
  readonly #goneLanes = new Set<string>();
  /** Message → the lost sets that covered it. */
  readonly #uncovered = new Map<string, string[]>();

  get any(): boolean {
    return this.#any;
  }

  /** A person has looked since Redis lost something for the last time. */
  get isRecovered(): boolean {
    return this.#isRecovered;
  }

  lost(sets: readonly LostSet[]): void {
    this.#any = true;
    if (sets.length > 0) this.#isRecovered = false;
    for (const set of sets) this.#sets.set(set.name, set);
  }

  /** The journal had this entry as dead, in doubt or deferred, and has it no more. */
  gone(identifier: string, lane: string): void {
    this.#gone.add(identifier);
    this.#goneLanes.add(lane);
  }

  /** An entry of this lane is gone. */
  hasGoneOf(lane: string): boolean {
    return this.#goneLanes.has(lane);
  }

  isGone(identifier: string): boolean {
    return this.#gone.has(identifier);
  }

  recovered(): void {
    this.#isRecovered = true;
    this.#noticedMs = undefined;
  }

  uncovered(message: string, set: string): void {
    const sets = this.#uncovered.get(message) ?? [];
    sets.push(set);
    this.#uncovered.set(message, sets);
  }

  /** How often the message may have been counted in sets that are lost. */
  timesUncovered(message: string): number {
    return this.#uncovered.get(message)?.length ?? 0;
  }

  /** Somebody stands still because of a loss, and says so to the others. */
  noticed(atMs: number): void {
    this.#noticedMs ??= atMs;
  }

  isToldBy(atMs: number): boolean {
    return this.#noticedMs !== undefined && this.#noticedMs <= atMs;
  }

  /**
   * A lost set that covered the message and was sent, as far as whoever commits it again now can know: `by` knows of its own sets,
   * unless others have brought the shard to a higher number since then; absent: all are known.
   */
  sentBefore(message: string, by: { readonly owner: string; readonly set: number } | undefined): string | undefined {
    const isKnown = (name: string): boolean => {
      const lost = this.#sets.get(name);
      if (lost === undefined || (by !== undefined && by.set > lost.set)) return false;
      return lost.entries.some(({ wasSent, owner }) => wasSent && (by === undefined || owner === by.owner));
    };
    return this.#uncovered.get(message)?.find(isKnown);
  }

  /** It was in a set of which only the journal kept something. */
  mayBeGone(message: string, isBilled: (identifier: string) => boolean): boolean {
    const sets = this.#uncovered.get(message) ?? [];
    return sets.some((set) => this.#sets.get(set)?.entries.some(({ entry }) => !isBilled(entry.identifier)));
  }
}
