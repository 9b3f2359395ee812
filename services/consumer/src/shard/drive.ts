import type { ParkedEntry, SettledAs } from '../../../../shared/journal/journal.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import type { Outcome } from '../provider/provider.ts';
import { ClosedAccounts } from './closed-accounts.ts';
import { DeferredEntries } from './deferred-entries.ts';
import type { DriveLimits } from './drive-limits.ts';
import { recordOf, type Item } from './item.ts';
import { LaneQueue } from './lane-queue.ts';
import type { Verdict } from './verdict.ts';

/**
 * Drives entries to the provider: those of the pending set, and the deferred ones that the journal keeps beside it.
 *
 * It guarantees: one call at a time per lane (invariant 10); nothing is attempted before its attempt is journaled,
 * nothing whose outcome is unknown for 23 h is attempted again, and a refusal kills an entry only when no earlier
 * attempt is unresolved (invariant 6). It refuses nothing: an entry leaves as accepted, dead, in doubt or deferred.
 */

/** How an entry of the pending set ended, not yet written to the journal. */
interface Ended {
  readonly item: Item;
  readonly as: SettledAs;
  readonly parked?: ParkedEntry;
}

/** Of the calls that did not end an entry the newest are kept, for a person who asks what was answered. */
const callsKept = 8;
const answerLengthMax = 160;

export class Drive {
  readonly lanes = new LaneQueue();
  readonly accounts = new ClosedAccounts();
  readonly deferred: DeferredEntries;
  /** Entries by how they ended while this owner had the shard. */
  readonly outcomes: Record<SettledAs, number> = { accepted: 0, dead: 0, in_doubt: 0, deferred: 0 };
  /** Usage events in the entries that were accepted meanwhile. */
  billedEvents = 0;
  readonly #limits: DriveLimits;
  readonly #random: () => number;
  #unsettled = 0;
  #ended: Ended[] = [];

  constructor(limits: DriveLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
    this.deferred = new DeferredEntries(limits, random, this.accounts);
  }

  /** Every entry of the set has ended; what is in `ended` may still have to be written. */
  get setIsSettled(): boolean {
    return this.#unsettled === 0;
  }

  get unsettled(): number {
    return this.#unsettled;
  }

  /** Start of the oldest attempt whose outcome is not known, or Infinity: at 23 h it is parked in doubt. */
  get unresolvedSinceMs(): number {
    return Math.min(this.lanes.unresolvedSinceMs, this.deferred.unresolvedSinceMs);
  }

  get hasParkedToWrite(): boolean {
    return this.#ended.some(({ parked }) => parked !== undefined);
  }

  /** The journal does not know everything yet that is known here. */
  get hasEndedToWrite(): boolean {
    return this.#ended.length > 0 || this.deferred.peekEnd() !== undefined;
  }

  get endedToWrite(): number {
    return this.#ended.length;
  }

  /** Starts the pending set. Items that ended before (as far as the journal knows) are left out by the caller. */
  startSet(items: readonly Item[], redisMs: number, nowMs: number): void {
    this.#unsettled = items.length;
    this.accounts.newSet();
    for (const item of items) {
      item.sinceMs = nowMs;
      this.accounts.waits(item);
      if (item.entry.refusal === undefined) this.lanes.add(item, nowMs);
      else this.#settle(item, 'dead', item.entry.refusal, redisMs);
    }
  }

  /** The journal has the whole set as settled: what was not written one by one need not be any more. */
  setCompleted(): void {
    this.#ended = [];
  }

  /** A replay that the journal holds as deferred: its turn comes at once. */
  addReplay(item: Item, nowMs: number): void {
    this.deferred.addReplay(item);
    item.sinceMs = nowMs;
    this.lanes.add(item, nowMs);
  }

  tick(nowMs: number, redisMs: number): void {
    this.lanes.wake(nowMs);
    this.#deferClosed(nowMs, redisMs);
    for (const item of this.deferred.takeDue(nowMs)) this.lanes.add(item, nowMs);
  }

  /** The next entry to call, or undefined. The caller starts the call in this very tick (invariant 6). */
  take(
    nowMs: number,
    redisMs: number,
    account = '',
    onlyFresh = false,
    judge: (item: Item) => Verdict = () => 'call',
  ): Item | undefined {
    const next = (): Item | undefined => this.lanes.take(nowMs, account, onlyFresh);
    for (let item = next(); item !== undefined; item = next()) {
      const since = item.unresolvedSinceMs;
      const verdict = judge(item);
      if (verdict !== 'call') {
        this.accounts.judged(item, verdict === 'wait', nowMs);
        if (verdict === 'wait')
          item.readyAtMs = nowMs + this.#limits[item.index === undefined ? 'deferredRetry' : 'retry'].baseMs;
        else this.#refused(item, verdict.refusal, redisMs);
        this.lanes.next(item, nowMs);
        continue;
      }
      this.accounts.judged(item, false, nowMs);
      if (since === undefined || nowMs - since < this.#limits.inDoubtAfterMs) {
        item.attempts++;
        return item;
      }
      this.#settle(item, 'in_doubt', 'unknown_outcome: no certain answer within 23 h of the first attempt', redisMs);
      this.lanes.next(item, nowMs);
    }
    return undefined;
  }

  /** `startedAtMs`: when the call began. `breakerClosed`: whether the provider as a whole was taken for healthy. */
  callEnded(
    item: Item,
    outcome: Outcome,
    startedAtMs: number,
    nowMs: number,
    redisMs: number,
    breakerClosed: boolean,
  ): void {
    if (outcome.kind !== 'accepted' && outcome.kind !== 'refused') {
      const answer = `${outcome.kind}: ${outcome.reason}`.slice(0, answerLengthMax);
      item.calls = [...(item.calls ?? []).slice(1 - callsKept), { atMs: redisMs, answer }];
    }
    switch (outcome.kind) {
      case 'accepted':
        this.#settle(item, 'accepted', '', redisMs);
        break;
      case 'refused':
        this.#refused(item, outcome.reason, redisMs);
        break;
      case 'throttled':
        if (outcome.scope === 'lane') this.#heldUp(item, outcome.reason, nowMs, redisMs);
        else this.#retry(item, nowMs);
        break;
      case 'unauthorized':
        this.#retry(item, nowMs);
        break;
      case 'unknown':
        item.unresolvedSinceMs = Math.min(item.unresolvedSinceMs ?? startedAtMs, startedAtMs);
        this.#failed(item, outcome.reason, nowMs, redisMs, breakerClosed);
        break;
      case 'unsent':
        this.#failed(item, outcome.reason, nowMs, redisMs, breakerClosed);
        break;
    }
    this.lanes.next(item, nowMs);
  }

  /** What the next progress write holds. */
  peekEnded(max: number): Ended[] {
    return this.#ended.slice(0, max);
  }

  /** The journal has it; entries that it holds as deferred are scheduled from now on. */
  endedWritten(written: readonly Ended[], nowMs: number): void {
    this.#ended = this.#ended.slice(written.length);
    for (const { item, as, parked } of written) if (as === 'deferred') this.deferred.addFromSet(item, parked, nowMs);
  }

  /**
   * A deferred entry whose first attempt has to be journaled, and the entry as the journal has to keep it from then on.
   */
  takeUnmarkedDeferred(redisMs: number): { readonly item: Item; readonly parked: ParkedEntry } | undefined {
    const item = this.lanes.takeUnmarkedDeferred(this.#isClosed);
    if (item?.parked === undefined) return undefined;
    return { item, parked: { ...item.parked, attemptedAtMs: redisMs } };
  }

  /** Final only if no earlier attempt is unresolved (invariant 6). */
  #refused(item: Item, reason: string, redisMs: number): void {
    if (item.unresolvedSinceMs === undefined) this.#settle(item, 'dead', reason, redisMs);
    else this.#settle(item, 'in_doubt', `refused after an attempt without answer: ${reason}`, redisMs);
  }

  #failed(item: Item, reason: string, nowMs: number, redisMs: number, breakerClosed: boolean): void {
    item.failingSinceMs ??= nowMs;
    if (breakerClosed) item.failures++;
    if (item.index === undefined) {
      this.deferred.add(item, nowMs);
      this.lanes.leave(item);
      return;
    }
    // A lane that fails already need not prove it anew with every set.
    const deferAfterFailures = this.deferred.isInLaneOf(item) ? 1 : this.#limits.deferAfterFailures;
    const isToBeDeferred = item.failures >= deferAfterFailures || this.#isStuckTail(item, nowMs);
    this.#deferOrRetry(item, isToBeDeferred, reason, nowMs, redisMs);
  }

  /** Its lane is locked. That is no failure and counts as none, but for how long it holds up what comes behind its set. */
  #heldUp(item: Item, reason: string, nowMs: number, redisMs: number): void {
    item.failingSinceMs ??= nowMs;
    const isToBeDeferred = item.index !== undefined && this.#isStuckTail(item, nowMs);
    this.#deferOrRetry(item, isToBeDeferred, reason, nowMs, redisMs);
  }

  #deferOrRetry(item: Item, isToBeDeferred: boolean, reason: string, nowMs: number, redisMs: number): void {
    if (isToBeDeferred && this.deferred.hasRoom) this.#settle(item, 'deferred', reason, redisMs);
    else this.#retry(item, nowMs);
  }

  /** One of the last of its set, and in trouble for so long that the others behind it should not wait any more. */
  #isStuckTail({ failingSinceMs }: Item, nowMs: number): boolean {
    const { entries, afterMs } = this.#limits.deferTail;
    return failingSinceMs !== undefined && this.#unsettled <= entries && nowMs - failingSinceMs >= afterMs;
  }

  readonly #isClosed = (account: string): boolean => this.accounts.isClosed(account, this.lanes.armed.has(account));

  /** Items of the set whose attempt has to be journaled next. */
  takeUnmarked(max: number): Item[] {
    return this.lanes.takeUnmarked(max, max, this.#isClosed);
  }

  hasUnmarked(max: number): boolean {
    return this.lanes.hasUnmarked(max, this.#isClosed);
  }

  /** Once nothing else of the set is left, what cannot be called makes way for the next set. */
  #deferClosed(nowMs: number, redisMs: number): void {
    if (this.#unsettled === 0 || this.accounts.left(nowMs) < this.#unsettled) return;
    for (const [item, reason] of this.accounts.itemsLeft(nowMs))
      if (!item.isBusy && this.deferred.roomForClosed > 0) this.#settle(item, 'deferred', reason, redisMs);
  }

  #retry(item: Item, nowMs: number): void {
    item.retries++;
    item.readyAtMs = nowMs + delayMs(this.#limits.retry, item.retries, this.#random());
  }

  #settle(item: Item, as: SettledAs, reason: string, redisMs: number): void {
    this.lanes.leave(item);
    this.outcomes[as]++;
    if (as === 'accepted') this.billedEvents += item.entry.events;
    if (item.index === undefined) {
      this.deferred.end(item, as, reason, redisMs);
      return;
    }
    const parked = as === 'accepted' ? undefined : recordOf(item, as, reason, redisMs);
    this.#unsettled--;
    this.accounts.ended(item);
    if (as === 'deferred') this.deferred.expect();
    this.#ended.push({ item, as, ...(parked === undefined ? {} : { parked }) });
  }
}
