import type { Timeline } from './timeline.ts';

/**
 * What happened, for a person to read. Off in a run over many seeds, where writing lines would cost more than the
 * simulation; a seed that fails is run again with it, which is the same run to the letter.
 */
export class Trace {
  readonly on: boolean;
  readonly lines: string[] = [];
  readonly #timeline: Timeline;

  constructor(timeline: Timeline, on: boolean) {
    this.#timeline = timeline;
    this.on = on;
  }

  /** Callers ask `on` before they build the text. */
  line(who: string, what: string): void {
    if (this.on) this.lines.push(`${(this.#timeline.nowMs / 1000).toFixed(4).padStart(10)}  ${who.padEnd(12)} ${what}`);
  }
}
