import type { SetCommit } from '../../../../shared/journal/journal.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { LostSet } from './calls.ts';
import { messageName } from './intake.ts';
import type { Losses } from './losses.ts';
import type { Report } from './report.ts';
import { setName } from './set-name.ts';

/**
 * Custody (invariant 3): a message leaves the broker only when the set that covers it is settled. Which set covers it the
 * checker reads from the cursors that were committed, with a reader of its own.
 */
export class Custody {
  readonly #report: Report;
  readonly #losses: Losses;
  /** Somebody has noticed a loss, and everybody has had the time to hear of it. */
  readonly #isTold: () => boolean;
  /** A message is in a committed set for the first time. */
  readonly #counted: (message: string) => void;
  /** Message → `shard/set` of the first commit whose cursors hold it. */
  readonly #coveredBy = new Map<string, string>();
  /** Message → the set that holds it anew, after Redis had lost a settled one that did. */
  readonly #coveredAnew = new Map<string, string>();
  readonly #lost = new Set<string>();
  /** `slot/producer` → how far its cursor was read, so that a range is not walked again with every commit. */
  readonly #lastRanges = new Map<string, string>();
  readonly #settled = new Set<string>();
  readonly #deadLettered = new Set<string>();

  constructor(report: Report, losses: Losses, isTold: () => boolean, counted: (message: string) => void) {
    this.#report = report;
    this.#losses = losses;
    this.#isTold = isTold;
    this.#counted = counted;
  }

  committed(shard: number, commit: SetCommit, owner: string): void {
    for (const [cursor, text] of commit.cursors) {
      const ranges = text.split(';')[2] ?? '';
      if (this.#lastRanges.get(cursor) === ranges) continue;
      this.#lastRanges.set(cursor, ranges);
      for (const range of ranges.split(',')) {
        const [from, to] = range.split('-').map(Number);
        for (let sequence = from ?? 0; sequence <= (to ?? from ?? 0); sequence++) {
          const message = `${cursor}#${sequence}`;
          const before = this.#coveredBy.get(message);
          const set = setName(shard, commit.set, commit.token);
          if (before === undefined) this.#covers(message, set, { owner, set: commit.set });
          else if (this.#lost.has(before) && !this.#coveredAnew.has(message)) this.#coveredAnew.set(message, set);
        }
      }
    }
  }

  completed(set: string): void {
    this.#settled.add(set);
  }

  /** Redis has lost the commits of these sets: what they cover is covered no more, unless it was settled. */
  lost(sets: readonly LostSet[]): void {
    const names = new Set(sets.map(({ name }) => name));
    for (const name of names) this.#lost.add(name);
    this.#lastRanges.clear();
    for (const [message, set] of this.#coveredAnew) {
      if (!names.has(set)) continue;
      this.#losses.uncovered(message, set);
      this.#coveredAnew.delete(message);
    }
    for (const [message, set] of this.#coveredBy) {
      if (!names.has(set)) continue;
      this.#losses.uncovered(message, set);
      if (!this.#settled.has(set)) this.#coveredBy.delete(message);
    }
  }

  #covers(message: string, set: string, by: { readonly owner: string; readonly set: number }): void {
    this.#coveredBy.set(message, set);
    this.#counted(message);
    const sent = this.#losses.sentBefore(message, this.#isTold() ? undefined : by);
    // A late copy of the very same commit: its identifiers are the same, so the provider knows them.
    if (sent === undefined || sent === set || this.#losses.isRecovered) return;
    this.#report.violation(
      `Message ${message} was sent in set ${sent}, which Redis has lost. Nobody has looked, and ${by.owner} commits it again, ` +
        `in set ${set}, although it could know (invariant 8).`,
    );
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
