import type { SetCommit } from '../../../shared/journal/journal.ts';
import type { MessageOrigin } from '../../../shared/event/usage-event.ts';
import { messageName } from './intake.ts';
import type { Report } from './report.ts';

/**
 * Custody (invariant 3): a message leaves the broker only when the set that covers it is settled. Which set covers it the
 * checker reads from the cursors that were committed, with a reader of its own.
 */
export class Custody {
  readonly #report: Report;
  /** Message → `shard/set` of the first commit whose cursors hold it. */
  readonly #coveredBy = new Map<string, string>();
  /** `slot/producer` → how far its cursor was read, so that a range is not walked again with every commit. */
  readonly #lastRanges = new Map<string, string>();
  readonly #settled = new Set<string>();
  readonly #deadLettered = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  committed(shard: number, commit: SetCommit): void {
    for (const [cursor, text] of commit.cursors) {
      const ranges = text.split(';')[2] ?? '';
      if (this.#lastRanges.get(cursor) === ranges) continue;
      this.#lastRanges.set(cursor, ranges);
      for (const range of ranges.split(',')) {
        const [from, to] = range.split('-').map(Number);
        for (let sequence = from ?? 0; sequence <= (to ?? from ?? 0); sequence++) {
          const message = `${cursor}#${sequence}`;
          if (!this.#coveredBy.has(message)) this.#coveredBy.set(message, setName(shard, commit.set));
        }
      }
    }
  }

  completed(shard: number, set: number): void {
    this.#settled.add(setName(shard, set));
  }

  deadLettered(shard: number, position: number): void {
    this.#deadLettered.add(`${shard}:${position}`);
  }

  isSettled(message: string): boolean {
    return this.#settled.has(this.#coveredBy.get(message) ?? '');
  }

  ackedUsage(origin: MessageOrigin): void {
    const name = messageName(origin);
    const set = this.#coveredBy.get(name);
    if (set === undefined)
      this.#report.violation(`Message ${name} was acked, and no committed set covers it (invariant 3).`);
    else if (!this.#settled.has(set)) {
      this.#report.violation(`Message ${name} was acked while set ${set}, which covers it, is pending (invariant 3).`);
    }
  }

  ackedUnreadable(shard: number, position: number): void {
    if (this.#deadLettered.has(`${shard}:${position}`)) return;
    this.#report.violation(`An unreadable message of shard ${shard} was acked, and no dead letter is there.`);
  }
}

function setName(shard: number, set: number): string {
  return `${shard}/${set}`;
}
