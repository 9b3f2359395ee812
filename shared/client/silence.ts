const patienceMs = 5_000;

/**
 * Says once that the sidecar takes nothing, and once that it does again: an application that was started without one would otherwise
 * hear of it after `giveUpAfterMs`, by its first lost event.
 */
export class Silence {
  readonly where: string;
  readonly #held: () => number;
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = 0;
  #detail = 'There was no answer.';
  #hasWarned = false;

  /** `held`: events that wait now. */
  constructor(where: string, held: () => number) {
    this.where = where;
    this.#held = held;
  }

  /** A request is on its way. */
  sent(): void {
    if (this.#timer !== undefined || this.#hasWarned) return;
    this.#sinceMs = performance.now();
    // Does not keep the process alive: events that are held do.
    this.#timer = setTimeout(() => this.#warn(), patienceMs).unref();
  }

  /** The sidecar takes nothing now, and this is why. */
  failed(detail: string): void {
    this.#detail = detail;
  }

  answered(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#hasWarned) {
      const lastedS = Math.round((performance.now() - this.#sinceMs) / 1_000);
      warn(`The sidecar at ${this.where} takes usage again, after ${lastedS} s. What was held is sent now.`);
    }
    this.#hasWarned = false;
  }

  /** Nothing more is said. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #warn(): void {
    this.#timer = undefined;
    const held = this.#held();
    if (held === 0) return;
    this.#hasWarned = true;
    warn(
      `The sidecar at ${this.where} has taken no usage for ${patienceMs / 1_000} s. ${this.#detail} ` +
        `${held} ${held === 1 ? 'event waits' : 'events wait'} in this process, and would be lost with it. Start the sidecar, or correct its address.`,
    );
  }
}

function warn(message: string): void {
  process.emitWarning(message, 'TallymanWarning');
}
