import type { Item } from './item.ts';
import { listWaitMs } from './meter-knowledge.ts';

/** What the pending set has of one meter. */
interface OfMeter {
  readonly account: string;
  readonly items: Item[];
  /** Of them, those that have not ended. */
  left: number;
  /** Since when a newer list of meters has to come before they are called, or refused. */
  undecidedSinceMs: number | undefined;
}

/**
 * Connected accounts that the provider does not serve while it serves others, or whose meters are not known; and meters of any
 * account that a newer list has to decide about. What the pending set has of them is not called, so it must neither
 * look as if it had been nor hold up the next set.
 */
export class ClosedAccounts {
  /** Why: what the dispatcher was told about the account's calls. */
  readonly #closed = new Map<string, string>();
  /** Why: what came of reading its meters. Without those none of its calls can start at all. */
  readonly #unlisted = new Map<string, string>();
  readonly #ofSet = new Map<string, Map<string, OfMeter>>();
  readonly #undecided = new Set<OfMeter>();

  changed(account: string, closedFor: string | undefined): void {
    if (closedFor === undefined) this.#closed.delete(account);
    else this.#closed.set(account, closedFor);
  }

  /** There is no list of the account's meters, for this reason; undefined: there is one. */
  unlisted(account: string, reason: string | undefined): void {
    if (reason === undefined) this.#unlisted.delete(account);
    else this.#unlisted.set(account, reason);
  }

  /** No attempt of the account is to be journaled; but one call of it may be armed, to try it with. */
  isClosed(account: string, isArmed: boolean): boolean {
    return this.#unlisted.has(account) || (this.#closed.has(account) && isArmed);
  }

  get closed(): ReadonlySet<string> {
    return new Set([...this.#closed.keys(), ...this.#unlisted.keys()]);
  }

  newSet(): void {
    this.#ofSet.clear();
    this.#undecided.clear();
  }

  waits(item: Item): void {
    const { account = '', meter } = item.entry;
    let meters = this.#ofSet.get(account);
    if (meters === undefined) {
      meters = new Map();
      this.#ofSet.set(account, meters);
    }
    const known = meters.get(meter);
    if (known === undefined) meters.set(meter, { account, items: [item], left: 1, undecidedSinceMs: undefined });
    else {
      known.items.push(item);
      known.left++;
    }
  }

  ended(item: Item): void {
    item.hasEnded = true;
    const meter = this.#meterOf(item);
    if (meter !== undefined) meter.left--;
  }

  /** Whether a newer list has to come before the item is called, or refused. */
  judged(item: Item, isUndecided: boolean, nowMs: number): void {
    item.needsList = isUndecided;
    // One that was deferred stands before what the set has for its lane.
    const meter = this.#meterOf(item);
    if (meter === undefined) return;
    if (isUndecided) {
      meter.undecidedSinceMs ??= nowMs;
      this.#undecided.add(meter);
    } else if (meter.undecidedSinceMs !== undefined) {
      meter.undecidedSinceMs = undefined;
      this.#undecided.delete(meter);
    }
  }

  isOneOfThem(account: string): boolean {
    return this.#closed.has(account) || this.#unlisted.has(account);
  }

  /** Whether this item of the set is among what `left` counts. */
  isStuck(item: Item, nowMs: number): boolean {
    if (this.isOneOfThem(item.entry.account ?? '')) return true;
    const meter = this.#meterOf(item);
    return meter?.undecidedSinceMs !== undefined && nowMs - meter.undecidedSinceMs >= listWaitMs;
  }

  /** How much of what is left of the set cannot be called for one of these reasons. */
  left(nowMs: number): number {
    if (this.#closed.size + this.#unlisted.size + this.#undecided.size === 0) return 0;
    let left = 0;
    for (const [{ left: more }] of this.#stuck(nowMs)) left += more;
    return left;
  }

  /** That, with the reason. */
  itemsLeft(nowMs: number): [item: Item, reason: string][] {
    const left: [Item, string][] = [];
    for (const [{ items }, reason, isListMissing] of this.#stuck(nowMs)) {
      for (const item of items) {
        if (item.hasEnded) continue;
        if (isListMissing) item.needsList = true;
        left.push([item, reason]);
      }
    }
    return left;
  }

  *#stuck(nowMs: number): Generator<[meter: OfMeter, reason: string, isListMissing: boolean]> {
    for (const [account, reason] of this.#closed)
      for (const meter of this.#ofSet.get(account)?.values() ?? []) yield [meter, reason, false];
    for (const [account, reason] of this.#unlisted) {
      if (this.#closed.has(account)) continue;
      for (const meter of this.#ofSet.get(account)?.values() ?? []) yield [meter, reason, true];
    }
    for (const meter of this.#undecided) {
      const waitedMs = nowMs - (meter.undecidedSinceMs ?? nowMs);
      if (waitedMs >= listWaitMs && !this.isOneOfThem(meter.account)) yield [meter, needsNewerList, true];
    }
  }

  #meterOf({ entry: { account = '', meter } }: Item): OfMeter | undefined {
    return this.#ofSet.get(account)?.get(meter);
  }
}

const needsNewerList = 'its meter is not in the list that is known, and no newer one can be read so far';

/** How many of something each connected account has. */
export class AccountCounts {
  readonly #counts = new Map<string, number>();

  get(account: string): number {
    return this.#counts.get(account) ?? 0;
  }

  add(account: string | undefined): void {
    if (account !== undefined) this.#counts.set(account, this.get(account) + 1);
  }

  remove(account: string | undefined): void {
    if (account === undefined) return;
    const left = this.get(account) - 1;
    if (left > 0) this.#counts.set(account, left);
    else this.#counts.delete(account);
  }
}
