import type { Action, Timeline } from './timeline.ts';

/** One direction of a TCP connection: what is sent arrives in order, or not at all once the connection is cut. */
export class Wire {
  readonly #timeline: Timeline;
  readonly #latencyMs: () => number;
  readonly #gapMs: number;
  #lastMs = 0;
  #stalledUntilMs = 0;
  /** What has come while nothing arrives. */
  #held: Action[] = [];
  #isCut = false;

  /** `gapMs`: how long each thing takes by itself, so that many do not arrive at once. */
  constructor(timeline: Timeline, latencyMs: () => number, gapMs = 1e-6) {
    this.#timeline = timeline;
    this.#latencyMs = latencyMs;
    this.#gapMs = gapMs;
  }

  send(arrived: Action): void {
    if (this.#isCut) return;
    // A little later than what was sent before: order is what TCP promises.
    const atMs = Math.max(this.#timeline.nowMs + this.#latencyMs(), this.#lastMs + this.#gapMs);
    this.#lastMs = atMs;
    this.#timeline.at(atMs, () => this.#arrive(arrived));
  }

  /** Nothing arrives for so long; then everything that was under way. */
  stall(durationMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#timeline.nowMs + durationMs);
    this.#lastMs = Math.max(this.#lastMs, this.#stalledUntilMs);
  }

  /** What is under way is lost. */
  cut(): void {
    this.#isCut = true;
  }

  #arrive(arrived: Action): void {
    if (this.#isCut) return;
    if (this.#held.length === 0 && this.#timeline.nowMs >= this.#stalledUntilMs) {
      arrived();
      return;
    }
    this.#held.push(arrived);
    if (this.#held.length === 1) this.#timeline.at(this.#stalledUntilMs, () => this.#endStall());
  }

  #endStall(): void {
    if (this.#timeline.nowMs < this.#stalledUntilMs) {
      this.#timeline.at(this.#stalledUntilMs, () => this.#endStall());
      return;
    }
    const held = this.#held;
    this.#held = [];
    for (const arrived of held) if (!this.#isCut) arrived();
  }
}
