import type { Formula } from '../../../../services/consumer/src/provider/provider.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Profile } from '../drawing/profile.ts';
import { amountOf } from './amount.ts';
import type { Line } from './line.ts';
import type { Report } from './report.ts';

interface Billed {
  readonly formula: Formula | undefined;
  readonly atMs: number;
}

/**
 * Names that one meter had after another, with another formula: what was merged by one formula may not be billed by the other. How an
 * entry was merged is told by its value alone: clients' values are so odd that no sum of some is the value of another.
 */
export class RemadeMeters {
  readonly names: ReadonlySet<string>;
  readonly #changesMs: readonly number[];
  readonly #oldListMs: number;
  readonly #report: Report;
  readonly #billed = new Map<string, Billed>();

  constructor({ meters, oldListMs }: Pick<Profile, 'meters' | 'oldListMs'>, report: Report) {
    const formulas = Map.groupBy(meters, ({ meter }) => meter.eventName);
    this.names = new Set([...formulas].flatMap(([name, named]) => (named.length > 1 ? [name] : [])));
    const remade = meters.filter(({ meter }) => this.names.has(meter.eventName));
    this.#changesMs = remade.flatMap(({ createdAtMs, archived }) => [createdAtMs, archived?.toMs ?? 0]);
    this.#oldListMs = oldListMs;
    this.#report = report;
  }

  billed(entry: Entry, formula: Formula | undefined, atMs: number): void {
    if (this.names.has(entry.meter)) this.#billed.set(entry.identifier, { formula, atMs });
  }

  /** Answers whether some of it are last values, so that the line has no sum. */
  check(line: Line): boolean {
    let hasLast = false;
    for (const entry of line.entries) {
      if (entry.events === 1) continue;
      const merged = isLastValue(entry, line) ? 'last' : 'sum';
      hasLast ||= merged === 'last';
      const billed = this.#billed.get(entry.identifier);
      if (billed === undefined || billed.formula === merged || this.#isJustChanged(billed.atMs)) continue;
      this.#report.violation(
        `${entry.identifier} is the ${merged} of ${entry.events} events, and was billed by a ${billed.formula} meter at ${billed.atMs}.`,
      );
    }
    return hasLast;
  }

  /** Without a gap a list from before the change is used for a while: nobody could know. With a gap it is over by then. */
  #isJustChanged(atMs: number): boolean {
    return this.#changesMs.some((changeMs) => changeMs <= atMs && atMs < changeMs + this.#oldListMs);
  }
}

function isLastValue({ value, timestamp }: Entry, { identities }: Line): boolean {
  const amount = amountOf(value);
  return identities.some(
    ({ event, values }) =>
      Math.floor(event.timestamp) === timestamp && [...values].some((text) => amountOf(text) === amount),
  );
}
