import { listWaitMs } from '../meters/meter-knowledge.ts';
import type { Unreadable } from '../meters/meter-list.ts';
import type { Item } from './item.ts';

/** Why something is not called, and since when; monotonic. */
interface Because {
  readonly reason: string;
  readonly sinceMs: number;
}

/** An item of the set that cannot be called. */
export interface Stuck extends Because {
  readonly item: Item;
}

/** What the pending set has of one meter. */
interface OfMeter {
  readonly account: string;
  readonly items: Item[];
  /** Of them, those that have not ended. */
  left: number;
  /** Since when a newer list of meters has to come before they are called, or refused. */
  undecidedSinceMs: number | undefined;
  /** That list has not come in time. */
  isOverdue: boolean;
  /** Its `left` is part of what is left in all. */
  isCounted: boolean;
}

/**
 * Connected accounts that the provider does not serve while it serves others, or whose meters are not known; and meters of any
 * account that a newer list has to decide about. What the pending set has of them is not called, so it must neither
 * look as if it had been nor hold up the next set.
 *
 * Its sums are kept in step with each change: they are asked for all the time, and there may be thousands of such accounts.
 */
export class ClosedAccounts {
  /** Why: what the dispatcher was told about the account's calls. */
  readonly #closed = new Map<string, Because>();
  /** Why: what came of reading its meters. Without those none of its calls can start at all. */
  readonly #unlisted = new Map<string, Because>();
  /** Accounts whose list cannot be read now, the platform's own too, whether or not there is an older one; since when. */
  readonly #unreadSinceMs = new Map<string, number>();
  readonly #ofSet = new Map<string, Map<string, OfMeter>>();
  /** Meters that wait for a newer list, and may still get one in time: the one that has waited for longest is first. */
  readonly #undecided = new Set<OfMeter>();
  #left = 0;
  readonly #deferred = new AccountCounts();
  #deferredOfThem = 0;

  changed(account: string, closedFor: string | undefined, nowMs: number): void {
    this.#because(this.#closed, account, closedFor === undefined ? undefined : { reason: closedFor, sinceMs: nowMs });
  }

  /** Whether the account's list of meters can be read, and whether there is one, be it an older one. */
  listRead(account: string, unreadable: Unreadable | undefined, isKnown: boolean): void {
    if (unreadable === undefined) this.#unreadSinceMs.delete(account);
    else this.#unreadSinceMs.set(account, unreadable.sinceMs);
    this.#because(this.#unlisted, account, isKnown ? undefined : unreadable);
  }

  /** Since when it began, whatever other reason it has got meanwhile. */
  #because(reasons: Map<string, Because>, account: string, because: Because | undefined): void {
    const was = this.isOneOfThem(account);
    if (because === undefined) reasons.delete(account);
    else reasons.set(account, { ...because, sinceMs: reasons.get(account)?.sinceMs ?? because.sinceMs });
    const is = this.isOneOfThem(account);
    if (was === is) return;
    const deferred = this.#deferred.get(account);
    this.#deferredOfThem += is ? deferred : -deferred;
    for (const meter of this.#ofSet.get(account)?.values() ?? []) this.#count(meter);
  }

  /** No attempt of the account is to be journaled; but one call of it may be armed, to try it with. */
  isClosed(account: string, isArmed: boolean): boolean {
    return this.#unlisted.has(account) || (this.#closed.has(account) && isArmed);
  }

  /** The journal keeps one more entry of this account beside the set; `released`: one less. */
  held(account: string | undefined): void {
    if (account === undefined) return;
    this.#deferred.add(account);
    if (this.isOneOfThem(account)) this.#deferredOfThem++;
  }

  released(account: string | undefined): void {
    if (account === undefined) return;
    this.#deferred.remove(account);
    if (this.isOneOfThem(account)) this.#deferredOfThem--;
  }

  /** How many entries that the journal keeps beside the set are of such accounts. */
  get deferredOfThem(): number {
    return this.#deferredOfThem;
  }

  newSet(): void {
    this.#ofSet.clear();
    this.#undecided.clear();
    this.#left = 0;
  }

  waits(item: Item): void {
    const { account = '', meter } = item.entry;
    let meters = this.#ofSet.get(account);
    if (meters === undefined) {
      meters = new Map();
      this.#ofSet.set(account, meters);
    }
    let known = meters.get(meter);
    if (known === undefined) {
      const isCounted = this.isOneOfThem(account);
      known = { account, items: [], left: 0, undecidedSinceMs: undefined, isOverdue: false, isCounted };
      meters.set(meter, known);
    }
    known.items.push(item);
    known.left++;
    if (known.isCounted) this.#left++;
  }

  ended(item: Item): void {
    item.hasEnded = true;
    const meter = this.#meterOf(item);
    if (meter === undefined) return;
    meter.left--;
    if (meter.isCounted) this.#left--;
  }

  /** Whether a newer list has to come before the item is called, or refused. */
  judged(item: Item, isUndecided: boolean, nowMs: number): void {
    item.needsList = isUndecided;
    // One that was deferred stands before what the set has for its lane.
    const meter = this.#meterOf(item);
    if (meter === undefined || isUndecided === (meter.undecidedSinceMs !== undefined)) return;
    if (isUndecided) {
      meter.undecidedSinceMs = nowMs;
      this.#undecided.add(meter);
    } else {
      meter.undecidedSinceMs = undefined;
      meter.isOverdue = false;
      this.#undecided.delete(meter);
      this.#count(meter);
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
    for (const meter of this.#undecided) {
      if (nowMs - (meter.undecidedSinceMs ?? nowMs) < listWaitMs) break;
      this.#undecided.delete(meter);
      meter.isOverdue = true;
      this.#count(meter);
    }
    return this.#left;
  }

  /** That, with the reason. */
  itemsLeft(nowMs: number): Stuck[] {
    if (this.left(nowMs) === 0) return [];
    const left: Stuck[] = [];
    for (const meter of [...this.#ofSet.values()].flatMap((meters) => [...meters.values()])) {
      if (!meter.isCounted || meter.left === 0) continue;
      const closedFor = this.#closed.get(meter.account);
      const because = closedFor ?? this.#unlisted.get(meter.account) ?? this.#needsNewerList(meter, nowMs);
      for (const item of meter.items) {
        if (item.hasEnded) continue;
        if (closedFor === undefined) item.needsList = true;
        left.push({ item, ...because });
      }
    }
    return left;
  }

  #needsNewerList({ account, undecidedSinceMs = Number.POSITIVE_INFINITY }: OfMeter, nowMs: number): Because {
    const sinceMs = Math.min(nowMs, undecidedSinceMs, this.#unreadSinceMs.get(account) ?? nowMs);
    return { reason: 'its meter is not in the list that is known, and no newer one can be read so far', sinceMs };
  }

  #count(meter: OfMeter): void {
    const isCounted = meter.isOverdue || this.isOneOfThem(meter.account);
    if (isCounted === meter.isCounted) return;
    meter.isCounted = isCounted;
    this.#left += isCounted ? meter.left : -meter.left;
  }

  #meterOf({ entry: { account = '', meter } }: Item): OfMeter | undefined {
    return this.#ofSet.get(account)?.get(meter);
  }
}

/** How many of something each connected account has. */
class AccountCounts {
  readonly #counts = new Map<string, number>();

  get(account: string): number {
    return this.#counts.get(account) ?? 0;
  }

  add(account: string): void {
    this.#counts.set(account, this.get(account) + 1);
  }

  remove(account: string): void {
    const left = this.get(account) - 1;
    if (left > 0) this.#counts.set(account, left);
    else this.#counts.delete(account);
  }
}
