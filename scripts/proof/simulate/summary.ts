import type { StretchDone } from './seed-process.ts';
import { Tally } from './time/tally.ts';

/** What many runs did, for a person: how fast, how long in virtual time, and how often each thing happened. */
export class Summary {
  readonly #tally = new Tally();
  #seeds = 0;
  #virtualMs = 0;
  #steps = 0;

  get seeds(): number {
    return this.#seeds;
  }

  add({ tally, seeds, virtualMs, steps }: StretchDone): void {
    for (const [what, times] of tally) this.#tally.add(what, times);
    this.#seeds += seeds;
    this.#virtualMs += virtualMs;
    this.#steps += steps;
  }

  text(elapsedMs: number): string {
    const perSecond = Math.round((this.#seeds * 1000) / elapsedMs);
    const virtualHours = (this.#virtualMs / 3_600_000).toFixed(1);
    const head =
      `${this.#seeds} seeds in ${(elapsedMs / 1000).toFixed(1)} s, ${perSecond} seeds/s; ` +
      `${virtualHours} hours of virtual time in ${this.#steps} steps.`;
    return [head, 'What happened:', ...columns(this.#tally.entries())].join('\n');
  }
}

function columns(entries: readonly (readonly [what: string, times: number])[]): string[] {
  const cells = entries.map(([what, times]) => `${String(times).padStart(10)}  ${what}`);
  const width = Math.max(0, ...cells.map(({ length }) => length)) + 2;
  const rows = Math.ceil(cells.length / 2);
  return cells.slice(0, rows).map((cell, row) => `${cell.padEnd(width)}${cells[rows + row] ?? ''}`.trimEnd());
}
