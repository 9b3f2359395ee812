import { laneName } from '../../../../shared/event/lane.ts';
import type { DeferredEnding, ParkedEntry, SettledAs } from '../../../../shared/journal/journal.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import type { Outcome } from '../provider/provider.ts';
import { AccountCounts, ClosedAccounts } from './closed-accounts.ts';
import { recordOf, type Item } from './item.ts';
import { LaneQueue } from './lane-queue.ts';

/**
 * Drives entries to the provider: those of the pending set, and the deferred ones that the journal keeps beside it.
 *
 * It guarantees: one call at a time per lane (invariant 10); nothing is attempted before its attempt is journaled,
 * nothing whose outcome is unknown for 23 h is attempted again, and a refusal kills an entry only when no earlier
 * attempt is unresolved (invariant 6). It refuses nothing: an entry leaves as accepted, dead, in doubt or deferred.
 */
export interface DriveLimits {
  /** Longest age of an unknown outcome, ms: the provider remembers identifiers for at least 24 h. */
  readonly inDoubtAfterMs: number;
  readonly deferAfterFailures: number;
  /**
   * When so few entries of a set are left and have failed for so long, they are deferred though the provider as a whole is
   * taken for ill: whether it is, only the entries behind them can show.
   */
  readonly deferTail: { readonly entries: number; readonly afterMs: number };
  readonly deferredMax: number;
  /**
   * Most deferred entries of all while some belong to closed accounts. Those do not count in the two limits beside this one: an
   * account that the provider does not serve takes the room of nobody else.
   */
  readonly closedMax: number;
  /** Replays are only taken from the journal while fewer entries than this are deferred: the others come first. */
  readonly replaysMax: number;
  readonly deferredRetry: { readonly baseMs: number; readonly maxMs: number };
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
}

export const defaultDriveLimits: DriveLimits = {
  inDoubtAfterMs: 23 * 3_600_000,
  deferAfterFailures: 5,
  deferTail: { entries: 10, afterMs: 300_000 },
  deferredMax: 1000,
  closedMax: 10_000,
  replaysMax: 400,
  deferredRetry: { baseMs: 10_000, maxMs: 600_000 },
  retry: { baseMs: 200, maxMs: 30_000 },
};

/** How an entry of the pending set ended, not yet written to the journal. */
interface Ended {
  readonly item: Item;
  readonly as: SettledAs;
  readonly parked?: ParkedEntry;
}

interface DeferredItem {
  readonly item: Item;
  readonly retries: number;
  readonly dueAtMs: number;
}

/** Whether an entry may be called: not before its meter is known, and not if its meter could not take it. */
export type Verdict = 'call' | 'wait' | { readonly refusal: string };

export interface DeferredEnd {
  readonly identifier: string;
  readonly account: string | undefined;
  readonly outcome: DeferredEnding;
}

/** Of the calls that did not end an entry the newest are kept, for a person who asks what was answered. */
const callsKept = 8;
const answerLengthMax = 160;

export class Drive {
  readonly lanes = new LaneQueue();
  readonly accounts = new ClosedAccounts();
  readonly outcomes: Record<SettledAs, number> = { accepted: 0, dead: 0, in_doubt: 0, deferred: 0 };
  /** Usage events in the entries that were accepted. */
  billedEvents = 0;
  readonly #limits: DriveLimits;
  readonly #random: () => number;
  #unsettled = 0;
  #ended: Ended[] = [];
  /** Entries in `ended` that will be deferred. */
  #deferring = 0;
  #deferredEnded: DeferredEnd[] = [];
  #deferredDue: DeferredItem[] = [];
  /** Identifiers of deferred entries and how often each was retried since this owner took the shard. */
  readonly #deferredRetries = new Map<string, number>();
  readonly #deferredOf = new AccountCounts();
  /** Identifiers of the deferred entries of each lane. */
  readonly #deferredInLane = new Map<string, Set<string>>();

  constructor(limits: DriveLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  get deferred(): number {
    return this.#deferredRetries.size;
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
    let oldestMs = this.lanes.unresolvedSinceMs;
    for (const { item } of this.#deferredDue) oldestMs = Math.min(oldestMs, item.unresolvedSinceMs ?? oldestMs);
    return oldestMs;
  }

  get hasParkedToWrite(): boolean {
    return this.#ended.some(({ parked }) => parked !== undefined);
  }

  /** The journal does not know everything yet that is known here. */
  get hasEndedToWrite(): boolean {
    return this.#ended.length > 0 || this.#deferredEnded.length > 0;
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

  /** Schedules an entry that the journal holds as deferred. */
  addDeferred(item: Item, nowMs: number): void {
    item.sinceMs = Math.min(item.sinceMs, nowMs);
    const identifier = item.entry.identifier;
    const known = this.#deferredRetries.get(identifier);
    if (known === undefined) this.#deferredOf.add(item.entry.account);
    const retries = known ?? 0;
    this.#deferredRetries.set(identifier, retries + 1);
    this.#knownToFail(item, true);
    const { baseMs, maxMs } = this.#limits.deferredRetry;
    this.#deferredDue.push({
      item,
      retries,
      dueAtMs: nowMs + Math.min(maxMs, baseMs * 2 ** retries) * (0.5 + this.#random() / 2),
    });
  }

  /** How many replays may be taken from the journal now. */
  get roomForReplays(): number {
    return Math.max(0, this.#limits.replaysMax - this.#countedDeferred);
  }

  /** A replay that the journal holds as deferred: its turn comes at once. */
  addReplay(item: Item, nowMs: number): void {
    this.#deferredOf.add(item.entry.account);
    this.#deferredRetries.set(item.entry.identifier, 0);
    item.sinceMs = nowMs;
    this.lanes.add(item, nowMs);
  }

  tick(nowMs: number, redisMs: number): void {
    this.lanes.wake(nowMs);
    this.#deferClosed(redisMs);
    if (this.#deferredDue.every(({ dueAtMs }) => dueAtMs > nowMs)) return;
    const due = this.#deferredDue.filter(({ dueAtMs }) => dueAtMs <= nowMs);
    this.#deferredDue = this.#deferredDue.filter(({ dueAtMs }) => dueAtMs > nowMs);
    for (const { item } of due) this.lanes.add(item, nowMs);
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
      // What may have been sent already is sent again; but a replay may not be what its meter could take.
      const verdict = since === undefined || item.history !== undefined ? judge(item) : 'call';
      if (verdict !== 'call') {
        if (verdict === 'wait') item.readyAtMs = nowMs + this.#limits.retry.baseMs;
        else this.#refused(item, verdict.refusal, redisMs);
        this.lanes.next(item, nowMs);
        continue;
      }
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
    for (const { item, as, parked } of written) {
      if (as !== 'deferred') continue;
      this.#deferring--;
      const kept = { ...item, index: undefined, failures: 0, isBusy: false, isGone: false, parked };
      this.addDeferred(kept, nowMs);
    }
  }

  /**
   * A deferred entry whose first attempt has to be journaled, and the entry as the journal has to keep it from then on.
   */
  takeUnmarkedDeferred(redisMs: number): { readonly item: Item; readonly parked: ParkedEntry } | undefined {
    const item = this.lanes.takeUnmarkedDeferred(this.#isClosed);
    if (item?.parked === undefined) return undefined;
    return { item, parked: { ...item.parked, attemptedAtMs: redisMs } };
  }

  peekDeferredEnd(): DeferredEnd | undefined {
    return this.#deferredEnded[0];
  }

  deferredEndWritten(): void {
    const end = this.#deferredEnded.shift();
    if (end === undefined) return;
    this.#deferredRetries.delete(end.identifier);
    this.#deferredOf.remove(end.account);
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
      this.addDeferred(item, nowMs);
      this.lanes.leave(item);
      return;
    }
    const { deferTail } = this.#limits;
    // A lane that fails already need not prove it anew with every set.
    const deferAfterFailures = this.#deferredInLane.has(laneName(item.entry)) ? 1 : this.#limits.deferAfterFailures;
    const isTail = this.#unsettled <= deferTail.entries && nowMs - item.failingSinceMs >= deferTail.afterMs;
    if ((item.failures >= deferAfterFailures || isTail) && this.#hasRoom())
      this.#settle(item, 'deferred', reason, redisMs);
    else this.#retry(item, nowMs);
  }

  #knownToFail({ entry }: Item, isKnown: boolean): void {
    const lane = laneName(entry);
    const deferred = this.#deferredInLane.get(lane) ?? new Set();
    if (isKnown) this.#deferredInLane.set(lane, deferred.add(entry.identifier));
    else if (deferred.delete(entry.identifier) && deferred.size === 0) this.#deferredInLane.delete(lane);
  }

  #hasRoom(): boolean {
    return this.#countedDeferred < this.#limits.deferredMax;
  }

  /** Room for entries of an account that is closed, or whose meters cannot be read. */
  get roomForClosed(): number {
    return Math.max(0, this.#limits.closedMax - this.#deferredRetries.size - this.#deferring);
  }

  /** Deferred entries, those of closed accounts left out. */
  get #countedDeferred(): number {
    let closed = 0;
    for (const account of this.accounts.closed) closed += this.#deferredOf.get(account);
    return this.#deferredRetries.size + this.#deferring - closed;
  }

  readonly #isClosed = (account: string): boolean => this.accounts.isClosed(account, this.lanes.armed.has(account));

  /** Items of the set whose attempt has to be journaled next. */
  takeUnmarked(max: number): Item[] {
    return this.lanes.takeUnmarked(max, max, this.#isClosed);
  }

  hasUnmarked(max: number): boolean {
    return this.lanes.hasUnmarked(max, this.#isClosed);
  }

  /** Once nothing else of the set is left, what belongs to closed accounts makes way for the next set. */
  #deferClosed(redisMs: number): void {
    for (const [item, reason] of this.accounts.onlyThemLeft(this.#unsettled))
      if (!item.isBusy && this.roomForClosed > 0) this.#settle(item, 'deferred', reason, redisMs);
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
      this.#knownToFail(item, false);
      this.#deferredEnded.push({
        identifier: item.entry.identifier,
        account: item.entry.account,
        outcome: deferredEnding(item, as, reason, redisMs),
      });
      return;
    }
    const parked = as === 'accepted' ? undefined : recordOf(item, as, reason, redisMs);
    this.#unsettled--;
    this.accounts.ended(item);
    if (as === 'deferred') this.#deferring++;
    this.#ended.push({ item, as, ...(parked === undefined ? {} : { parked }) });
  }
}

/** How an entry ended that the journal keeps outside of its set. */
function deferredEnding(item: Item, as: SettledAs, reason: string, redisMs: number): DeferredEnding {
  if (as !== 'accepted') return recordOf(item, as, reason, redisMs);
  return item.history === undefined ? 'accepted' : recordOf(item, as, reason, redisMs);
}
