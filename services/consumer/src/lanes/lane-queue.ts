import { laneName } from '../../../../shared/event/lane.ts';
import { AccountLanes, beginsWithGone, type Lane } from './account-lanes.ts';
import type { Item } from './item.ts';

/** No call of the account may start now. */
type IsClosed = (account: string) => boolean;

/**
 * Items in line per lane (invariant 10), lanes in line per account. A lane is in exactly one place, by its first item:
 * - waiting: the item backs off until its `readyAtMs`;
 * - unmarked: its attempt has to be journaled; marking: that is being written;
 * - armed: it may be called now;
 * - busy: its call is under way.
 */
export class LaneQueue {
  readonly #lanes = new Map<string, Lane>();
  readonly #accounts = new Map<string, AccountLanes>();
  /** Calls that could start, by account; the platform's own has no name. */
  readonly #armed = new Map<string, number>();
  #changed = new Set<string>();
  #waiting: Lane[] = [];
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #haveGone = false;
  /** Lanes that begin with a deferred entry which was never attempted: each takes a write of its own. */
  #unmarkedDeferred: Lane[] = [];
  readonly #isKnownToFail: (lane: string) => boolean;

  constructor(isKnownToFail: (lane: string) => boolean = () => false) {
    this.#isKnownToFail = isKnownToFail;
  }

  get armed(): ReadonlyMap<string, number> {
    return this.#armed;
  }

  /** Accounts whose number in `armed` is another one since this was last asked. */
  takeChanged(): Iterable<string> {
    const changed = this.#changed;
    if (changed.size > 0) this.#changed = new Set();
    return changed;
  }

  /** Start of the oldest attempt whose outcome is not known, or Infinity. Looks at every item: for a scrape, not for a call. */
  get unresolvedSinceMs(): number {
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const { items } of this.#lanes.values())
      for (const { unresolvedSinceMs = oldestMs } of items) oldestMs = Math.min(oldestMs, unresolvedSinceMs);
    return oldestMs;
  }

  has(lane: string): boolean {
    return this.#lanes.has(lane);
  }

  /** A call could try whether the account is well again: one of a lane that is not known to fail, if the account has any. */
  isProbeArmed(account: string): boolean {
    const lanes = this.#accounts.get(account);
    if (lanes === undefined || lanes.armed === 0) return false;
    if (lanes.hasArmed(this.#isFresh)) return true;
    const isBetter = (lane: Lane): boolean => lane.account === account && this.#isFresh(lane);
    return !lanes.hasUnmarked(isBetter) && !this.#unmarkedDeferred.some(isBetter);
  }

  /** What this lane has of the pending set, but for what is being called. */
  ofSet(lane: string): Item[] {
    const items = this.#lanes.get(lane)?.items ?? [];
    return items.filter(({ index, isGone, isBusy }) => index !== undefined && !isGone && !isBusy);
  }

  add(item: Item, nowMs: number): void {
    const name = laneName(item.entry);
    const lane = this.#lanes.get(name);
    if (lane !== undefined) {
      lane.items.push(item);
      return;
    }
    const started: Lane = { name, account: item.entry.account ?? '', items: [item] };
    this.#lanes.set(name, started);
    this.#place(started, nowMs);
  }

  /**
   * The first item of the account's next armed lane; the lane is busy until `next`. `onlyFresh`: undefined, if each of its lanes
   * is known to fail.
   */
  take(nowMs: number, account = '', onlyFresh = false): Item | undefined {
    const lanes = this.#accounts.get(account);
    if (onlyFresh && lanes?.bringForward(this.#isFresh) === false) return undefined;
    for (let lane = lanes?.take(); lane !== undefined; lane = lanes?.take()) {
      this.#count(account);
      const [item] = lane.items;
      if (item !== undefined && !item.isGone) {
        item.isBusy = true;
        return item;
      }
      this.#place(lane, nowMs);
    }
    return undefined;
  }

  /** The item has ended, or leaves its lane for now. Items that never stood in a lane may be passed too. */
  leave(item: Item): void {
    const lane = this.#lanes.get(laneName(item.entry));
    // A lane that stands in line somewhere stands there for its first item: it is looked at again when its turn comes.
    if (item.isBusy && lane?.items[0] === item) lane.items.shift();
    else {
      item.isGone = true;
      this.#haveGone = true;
    }
  }

  /** The lane's call is over: its first item (the same one, if it has to be retried) is placed anew. */
  next(item: Item, nowMs: number): void {
    item.isBusy = false;
    const lane = this.#lanes.get(laneName(item.entry));
    if (lane !== undefined) this.#place(lane, nowMs);
  }

  wake(nowMs: number): void {
    if (this.#haveGone) this.#sift(nowMs);
    if (nowMs < this.#wakeAtMs) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    for (const lane of waiting) this.#place(lane, nowMs);
  }

  /**
   * Items whose attempt has to be journaled before they can be called; `marked` gives them back. Of each account only
   * what it needs so that `enough` of its calls are armed, and nothing of one that is closed: what will not be called must
   * not look as if it had been.
   */
  takeUnmarked(max: number, enough = max, isClosed: IsClosed = () => false): Item[] {
    const taken: Item[] = [];
    for (const [account, lanes] of this.#accounts) {
      if (isClosed(account)) continue;
      while (taken.length < max && lanes.armed < enough) {
        const lane = lanes.takeUnmarked();
        if (lane === undefined) break;
        const [item] = lane.items;
        if (item !== undefined) taken.push(item);
      }
      this.#count(account);
    }
    return taken;
  }

  /** Whether `takeUnmarked` has something to give. */
  hasUnmarked(enough: number, isClosed: IsClosed = () => false): boolean {
    for (const [account, lanes] of this.#accounts)
      if (lanes.unmarked > 0 && lanes.armed < enough && !isClosed(account)) return true;
    return false;
  }

  /** A deferred entry that was never attempted, of an account that is not closed; `marked` gives it back. */
  takeUnmarkedDeferred(isClosed: IsClosed): Item | undefined {
    if (this.#unmarkedDeferred.length === 0) return undefined;
    const lane = this.#unmarkedDeferred.find(({ account }) => !isClosed(account));
    if (lane === undefined) return undefined;
    this.#unmarkedDeferred = this.#unmarkedDeferred.filter((other) => other !== lane);
    return lane.items[0];
  }

  marked(items: readonly Item[], attemptedAtMs: number, nowMs: number): void {
    for (const item of items) {
      item.marked = true;
      item.attemptedAtMs ??= attemptedAtMs;
      this.next(item, nowMs);
    }
  }

  readonly #isFresh = ({ name }: Lane): boolean => !this.#isKnownToFail(name);

  #place(lane: Lane, nowMs: number): void {
    while (lane.items[0]?.isGone === true) lane.items.shift();
    const [item] = lane.items;
    if (item === undefined) {
      this.#lanes.delete(lane.name);
      return;
    }
    if (item.readyAtMs > nowMs) {
      this.#waiting.push(lane);
      this.#wakeAtMs = Math.min(this.#wakeAtMs, item.readyAtMs);
      return;
    }
    if (!item.marked && item.index === undefined) {
      this.#unmarkedDeferred.push(lane);
      return;
    }
    const { account } = lane;
    const lanes = this.#accounts.get(account) ?? new AccountLanes();
    this.#accounts.set(account, lanes);
    if (item.marked) lanes.arm(lane);
    else lanes.addUnmarked(lane);
    this.#count(account);
  }

  /** What stands behind an item that is gone need not wait for the turn of that item. */
  #sift(nowMs: number): void {
    this.#haveGone = false;
    const out = [this.#waiting.filter(beginsWithGone)];
    this.#waiting = this.#waiting.filter((lane) => !beginsWithGone(lane));
    for (const [account, lanes] of this.#accounts) {
      out.push(lanes.sift());
      this.#count(account);
    }
    for (const lane of out.flat()) this.#place(lane, nowMs);
  }

  #count(account: string): void {
    const lanes = this.#accounts.get(account);
    const armed = lanes?.armed ?? 0;
    if (armed !== (this.#armed.get(account) ?? 0)) this.#changed.add(account);
    if (armed === 0) this.#armed.delete(account);
    else this.#armed.set(account, armed);
    if (lanes?.armed === 0 && lanes.unmarked === 0) this.#accounts.delete(account);
  }
}
