import type { Random } from './random.ts';
import type { Action, Timeline } from './timeline.ts';

/**
 * An operating system process. Frozen (SIGSTOP, a long pause of the machine) it does nothing, while its monotonic clock goes on
 * and what others began for it goes on too; thawed, it first does everything that came for it meanwhile.
 * Killed, it is gone with its memory. Its monotonic clock has nothing in common with any other process's.
 */
export class Process {
  readonly name: string;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #originMs: number;
  #isAlive = true;
  #isFrozen = false;
  #freezes = 0;
  #thawedAtMs = Number.NEGATIVE_INFINITY;
  #timersDue: Action[] = [];
  #arrived: Action[] = [];
  /** What it was about to send when it hesitated. */
  #unsent: Action[] | undefined;
  readonly #hesitation: number;

  constructor(name: string, timeline: Timeline, random: Random, hesitation: number) {
    this.name = name;
    this.#timeline = timeline;
    this.#random = random;
    this.#originMs = timeline.nowMs - random.integer(0, 86_400_000);
    this.#hesitation = hesitation;
  }

  /** Its monotonic clock. */
  get nowMs(): number {
    return this.#timeline.nowMs - this.#originMs;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** How often it was frozen so far. */
  get freezes(): number {
    return this.#freezes;
  }

  /** Whether it slept at any time since then, on the timeline. */
  hasSleptSince(atMs: number): boolean {
    return this.#isFrozen || this.#thawedAtMs >= atMs;
  }

  /** Something arrives for it from outside. */
  receive(action: Action): void {
    if (!this.#isAlive) return;
    if (this.#isFrozen) this.#arrived.push(action);
    else action();
  }

  /** A timer of its own. */
  after(delayMs: number, action: Action): void {
    this.#timeline.after(delayMs, () => {
      if (!this.#isAlive) return;
      if (this.#isFrozen) this.#timersDue.push(action);
      else action();
    });
  }

  /**
   * Something goes out. Now and then not at once: between a decision and the socket's write lies time enough to be
   * frozen or killed.
   */
  emit(action: Action): void {
    if (!this.#isAlive) return;
    if (this.#unsent !== undefined) {
      this.#unsent.push(action);
    } else if (this.#random.chance(this.#hesitation)) {
      this.#unsent = [action];
      this.after(this.#random.between(0, 20), () => {
        const unsent = this.#unsent ?? [];
        this.#unsent = undefined;
        for (const send of unsent) send();
      });
    } else {
      action();
    }
  }

  freeze(): void {
    this.#isFrozen = true;
    this.#freezes++;
  }

  thaw(): void {
    if (!this.#isAlive || !this.#isFrozen) return;
    this.#isFrozen = false;
    this.#thawedAtMs = this.#timeline.nowMs;
    const [timers, arrived] = [this.#timersDue, this.#arrived];
    this.#timersDue = [];
    this.#arrived = [];
    const backlog = this.#random.chance(0.5) ? [...timers, ...arrived] : [...arrived, ...timers];
    for (const action of backlog) if (this.#isAlive) action();
  }

  kill(): void {
    this.#isAlive = false;
    this.#timersDue = [];
    this.#arrived = [];
    this.#unsent = undefined;
  }
}
