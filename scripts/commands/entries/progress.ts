const barWidth = 30;
const lineEveryMs = 5_000;

/** How far a long run is, on stderr: a bar in a terminal, else a line every few seconds. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #what: string;
  readonly #now: () => number;
  #shownAtMs: number;
  #isShown = false;

  constructor(out: NodeJS.WriteStream, what: string, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#what = what;
    this.#now = now;
    this.#shownAtMs = now();
  }

  /** `of` may grow while one looks. */
  show(done: number, of: number): void {
    const isBar = this.#out.isTTY;
    if (this.#now() - this.#shownAtMs < (isBar ? 100 : lineEveryMs)) return;
    this.#shownAtMs = this.#now();
    const part = of === 0 ? 1 : Math.min(1, done / of);
    const filled = Math.round(part * barWidth);
    const text = `${done} of ${Math.max(done, of)} ${this.#what}`;
    if (isBar) this.#out.write(`\r\u001B[K[${'#'.repeat(filled).padEnd(barWidth)}] ${text}`);
    else this.#out.write(`${text}\n`);
    this.#isShown = true;
  }

  end(): void {
    if (this.#out.isTTY && this.#isShown) this.#out.write('\r\u001B[K');
  }
}
