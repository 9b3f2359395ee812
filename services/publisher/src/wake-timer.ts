/** Wakes its owner when something is to be done: sometimes too early, never later than was last asked for. */
export class WakeTimer {
  readonly #wake: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Infinity;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Monotonic; Infinity: nothing is to be done. */
  setFor(atMs: number): void {
    if (atMs >= this.#atMs) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#atMs = Infinity;
        this.#wake();
      },
      Math.max(0, Math.ceil(atMs - performance.now())),
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
