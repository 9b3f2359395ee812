/**
 * Deliveries of all shards of this process, in order of arrival, handled in slices. A busy connection brings up to two
 * megabytes in one turn of the event loop; handled in that turn, they would keep leases, calls and answers waiting for half
 * a second. It is bounded by the prefetch of the channels, and keeps nothing back: what is in it is unacked.
 */
interface Letter {
  open(): void;
}

const sliceMs = 5;
/** The clock is read once per so many letters. */
const lettersPerLook = 8;

export class Mailbox {
  #letters: Letter[] = [];
  #head = 0;
  #scheduled = false;

  push(letter: Letter): void {
    this.#letters.push(letter);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#handleSlice());
  }

  #handleSlice(): void {
    const untilMs = performance.now() + sliceMs;
    this.#scheduled = false;
    for (let letter = this.#letters[this.#head]; letter !== undefined; letter = this.#letters[this.#head]) {
      this.#head++;
      letter.open();
      if (this.#head % lettersPerLook === 0 && performance.now() >= untilMs) break;
    }
    this.#forgetHandled();
    if (this.#letters.length > this.#head) {
      this.#scheduled = true;
      setImmediate(() => this.#handleSlice());
    }
  }

  #forgetHandled(): void {
    if (this.#head < this.#letters.length && this.#head < 1024) return;
    this.#letters = this.#letters.slice(this.#head);
    this.#head = 0;
  }
}
