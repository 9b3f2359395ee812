import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import type { Action } from '../time/timeline.ts';

/** Deliveries in order of arrival, looked at a little later, as `shard/mailbox.ts` does: other events overtake them. */
export class Mailbox {
  readonly #process: Process;
  readonly #random: Random;
  readonly #longestMs: number;
  #letters: Action[] = [];

  constructor(process: Process, random: Random, longestMs: number) {
    this.#process = process;
    this.#random = random;
    this.#longestMs = longestMs;
  }

  push(letter: Action): void {
    if (this.#longestMs === 0) {
      letter();
      return;
    }
    this.#letters.push(letter);
    if (this.#letters.length > 1) return;
    this.#process.after(this.#random.between(0, this.#longestMs), () => {
      const letters = this.#letters;
      this.#letters = [];
      for (const open of letters) open();
    });
  }
}
