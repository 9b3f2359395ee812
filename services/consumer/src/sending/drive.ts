import { laneName } from '../../../../shared/event/lane.ts';
import type { ParkedEntry, SettledAs } from '../../../../shared/journal/journal.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import { ClosedAccounts } from '../lanes/closed-accounts.ts';
import { DeferredEntries } from '../lanes/deferred-entries.ts';
import type { DriveLimits } from '../lanes/drive-limits.ts';
import { recordOf, type Item } from '../lanes/item.ts';
import { LaneQueue } from '../lanes/lane-queue.ts';
import { MakingWay, neverCertain } from '../lanes/making-way.ts';
import { Served } from '../lanes/served.ts';
import { TroubledLanes } from '../lanes/troubled-lanes.ts';
import type { Outcome } from '../provider/provider.ts';
import type { Verdict } from './verdict.ts';

/**
 * Drives entries to the provider: those of the pending set, and the deferred ones that the journal keeps beside it.
 *
 * It guarantees: one call at a time per lane (invariant 10); nothing is attempted before its attempt is journaled,
 * nothing whose outcome is unknown for 23 h is attempted again, and a refusal kills an entry only when no earlier
 * attempt is unresolved (invariant 6). It refuses nothing: an entry leaves as accepted, dead, in doubt or deferred.
 */

/** How an entry of the pending set ended, not yet written to the journal. */
export interface Ended {
  readonly item: Item;
  readonly as: SettledAs;
  readonly parked?: ParkedEntry;
}

/** Of the calls that did not end an entry the newest are kept, for a person who asks what was answered. */
const callsKept = 8;
const answerLengthMax = 160;

export class Drive {
  readonly #troubles: TroubledLanes;
  readonly lanes = new LaneQueue((lane) => this.#troubles.has(lane) || this.deferred.isFailing(lane));
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
  readonly #makingWay: MakingWay;

  /** `served` is shared by all shards of a consumer. */
  constructor(limits: DriveLimits, random: () => number, served = new Served()) {
    this.#limits = limits;
    this.#random = random;
    this.#troubles = new TroubledLanes(served);
    this.deferred = new DeferredEntries(limits, random, this.accounts);
    this.#makingWay = new MakingWay(limits, this, this.#troubles, (item, as, reason, redisMs) =>
      this.#settle(item, as, reason, redisMs),
    );
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
    this.#makingWay.newSet();
    this.#troubles.forget((lane) => this.lanes.has(lane) || this.deferred.isFailing(lane));
    for (const item of items) {
      item.sinceMs = nowMs;
      this.accounts.waits(item);
      const refusal = item.entry.refusal ?? this.#makingWay.refusalOf(item);
      if (refusal === undefined) this.lanes.add(item, nowMs);
      else this.#settle(item, 'dead', refusal, redisMs);
    }
  }

  /** The journal has the whole set as settled: what was not written one by one need not be any more. */
  setCompleted(): void {
    this.#ended = [];
  }

  /** A replay that the journal holds as deferred: its turn comes at once. */
  addReplay(item: Item, nowMs: number): void {
    item.sinceMs = nowMs;
    this.deferred.addReplay(item, nowMs);
    this.#addDue(nowMs);
  }

  tick(nowMs: number, redisMs: number): void {
    this.lanes.wake(nowMs);
    this.#makingWay.tick(nowMs, redisMs);
    this.#addDue(nowMs);
  }

  #addDue(nowMs: number): void {
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
      this.#settle(item, 'in_doubt', neverCertain, redisMs);
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
    item.isEarly = outcome.kind === 'early';
    switch (outcome.kind) {
      case 'accepted':
        this.#troubles.accepted(item.entry, nowMs);
        this.#settle(item, 'accepted', '', redisMs);
        break;
      case 'refused':
        this.#troubles.answered(item.entry);
        this.#refused(item, outcome.reason, redisMs);
        break;
      case 'early':
        this.#early(item, outcome.reason, nowMs, redisMs);
        break;
      case 'throttled':
        if (outcome.scope === 'lane') this.#failed(item, outcome.reason, startedAtMs, nowMs, redisMs, 'locked');
        else this.#retry(item, nowMs);
        break;
      case 'unauthorized':
        this.#retry(item, nowMs);
        break;
      case 'unknown':
        item.unresolvedSinceMs = Math.min(item.unresolvedSinceMs ?? startedAtMs, startedAtMs);
        this.#failed(item, outcome.reason, startedAtMs, nowMs, redisMs, breakerClosed);
        break;
      case 'unsent':
        this.#failed(item, outcome.reason, startedAtMs, nowMs, redisMs, breakerClosed);
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

  /**
   * A failure while the breaker is closed is the entry's own, and counts. A lane that is locked is no failure and counts as none,
   * but for how long it holds up what comes behind its set.
   */
  #failed(
    item: Item,
    reason: string,
    startedAtMs: number,
    nowMs: number,
    redisMs: number,
    breakerClosed: boolean | 'locked',
  ): void {
    const isLocked = breakerClosed === 'locked';
    const trouble = this.#troubles.failed(item.entry, reason, isLocked, startedAtMs);
    if (item.index === undefined) {
      this.lanes.leave(item);
      this.deferred.again(item, nowMs);
      return;
    }
    const lane = laneName(item.entry);
    if (breakerClosed === true) item.failures++;
    // A lane that fails already need not prove it anew with every set, nor with every entry of the set.
    const isKnown = breakerClosed !== false && this.deferred.isFailing(lane);
    if ((isKnown || item.failures >= this.#limits.deferAfterFailures) && this.deferred.hasRoomFor(lane))
      this.#settle(item, 'deferred', reason, redisMs);
    else this.#retry(item, nowMs);
    if (isKnown) this.#makingWay.defer(lane, trouble, nowMs, redisMs);
  }

  /** Its time comes, and the provider takes it then: it makes way at once, unless that is so far ahead that a clock must be wrong. */
  #early(item: Item, reason: string, nowMs: number, redisMs: number): void {
    const aheadMs = item.entry.timestamp * 1000 - redisMs;
    if (aheadMs > this.#limits.earlyMaxMs) {
      this.#refused(item, reason, redisMs);
      return;
    }
    const { baseMs, maxMs } = this.#limits.deferredRetry;
    item.readyAtMs = nowMs + Math.min(maxMs, Math.max(baseMs, aheadMs - this.#limits.aheadMs));
    if (item.index === undefined) {
      this.lanes.leave(item);
      this.deferred.again(item, nowMs);
    } else if (this.deferred.hasRoomFor(laneName(item.entry))) {
      this.#settle(item, 'deferred', reason, redisMs);
    }
  }

  readonly #isClosed = (account: string): boolean =>
    this.accounts.isOneOfThem(account) && this.accounts.isClosed(account, this.lanes.isProbeArmed(account));

  /** Items of the set whose attempt has to be journaled next. */
  takeUnmarked(max: number): Item[] {
    return this.lanes.takeUnmarked(max, max, this.#isClosed);
  }

  hasUnmarked(max: number): boolean {
    return this.lanes.hasUnmarked(max, this.#isClosed);
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
    if (as === 'deferred') this.deferred.expect(item);
    this.#ended.push({ item, as, ...(parked === undefined ? {} : { parked }) });
  }
}
