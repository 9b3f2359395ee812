import { laneName } from '../../../../shared/event/lane.ts';
import type { SettledAs } from '../../../../shared/journal/journal.ts';
import { beyondWaitMs } from '../meters/meter-knowledge.ts';
import { unlisted } from '../meters/refusals.ts';
import type { ClosedAccounts } from './closed-accounts.ts';
import type { DeferredEntries } from './deferred-entries.ts';
import type { DriveLimits } from './drive-limits.ts';
import type { Item } from './item.ts';
import type { LaneQueue } from './lane-queue.ts';
import type { Trouble, TroubledLanes } from './troubled-lanes.ts';

/**
 * What keeps a set from settling makes way for the next one, so that a customer or an account with a problem stops only itself:
 * - at once, what a lane that is known to fail has in the set, when one of its calls failed again (`defer`);
 * - after half a minute, what a lane in trouble has, if the trouble is its own: it is locked, or another lane of its account was
 *   accepted meanwhile; whatever the breaker says, and however often it was called;
 * - after five minutes, what is left of a set of which only few lanes are left, all of them in trouble: whether that is an
 *   outage only the usage behind them can show;
 * - what cannot be called, because its account is closed or its meters are not known, once nothing else is left. Where there is no
 *   room for it, it is parked if it was never sent, once that has been so for a minute, whatever the set, and nothing became free
 *   in ten seconds.
 *
 * With no call accepted, and many lanes, it is an outage: everything waits, in the broker. Making way means deferred, while
 * there is room. A lane that has taken its share of it while its account is served is parked beyond that, without a call.
 */

export const neverCertain = 'unknown_outcome: no certain answer within 23 h of the first attempt';

const flood =
  'lane_keeps_failing: not sent, because too many entries of this customer and meter wait for their calls to succeed; ' +
  'replay it once they do';

const notServed =
  'account_not_served: not sent, because too many entries wait for accounts that the provider does not serve; replay it once it is';

/** How often lanes in trouble are looked at, and what finds no place. */
const judgeEveryMs = 100;
const lookForPlacesEveryMs = 1_000;
/** For so long nothing but what finds no place may hold up a set: places may become free. */
const placeWaitMs = 10_000;

export interface Driven {
  readonly lanes: LaneQueue;
  readonly deferred: DeferredEntries;
  readonly accounts: ClosedAccounts;
  /** Entries of the set that have not ended. */
  readonly unsettled: number;
}

type Settle = (item: Item, as: SettledAs, reason: string, redisMs: number) => void;

export class MakingWay {
  readonly #limits: DriveLimits;
  readonly #driven: Driven;
  readonly #troubles: TroubledLanes;
  readonly #settle: Settle;
  #judgeAtMs = Number.NEGATIVE_INFINITY;
  #lookForPlacesAtMs = Number.NEGATIVE_INFINITY;
  /** Since when nothing but what cannot be called holds up the set. */
  #heldUpSinceMs: number | undefined;

  constructor(limits: DriveLimits, driven: Driven, troubles: TroubledLanes, settle: Settle) {
    this.#limits = limits;
    this.#driven = driven;
    this.#troubles = troubles;
    this.#settle = settle;
  }

  newSet(): void {
    this.#heldUpSinceMs = undefined;
  }

  tick(nowMs: number, redisMs: number): void {
    const { accounts, deferred } = this.#driven;
    if (this.#driven.unsettled === 0) return;
    const stuck = this.#judge(nowMs, redisMs);
    const stuckItems = [...stuck.values()].reduce((sum, items) => sum + items, 0);
    if (this.#driven.unsettled === 0 || accounts.left(nowMs) + stuckItems < this.#driven.unsettled) return;
    this.#clear(nowMs, redisMs);
    if (stuck.size > this.#limits.deferTail.lanes || stuckItems > deferred.free) return;
    // Whatever share of the room a lane has already: a witness can only come with the next set.
    for (const lane of stuck.keys()) {
      const reason = this.#troubles.get(lane)?.reason;
      if (reason === undefined) continue;
      for (const item of this.#driven.lanes.ofSet(lane))
        if (!this.#isTooOld(item, nowMs, redisMs)) this.#settle(item, 'deferred', reason, redisMs);
    }
  }

  /**
   * What cannot be called is deferred, while there is room. Beyond that it is parked, unless it may have been sent: what wants its list
   * of meters, which has it sent again by itself, and what others, who are served, should not wait for.
   */
  #clear(nowMs: number, redisMs: number): void {
    const { accounts, deferred } = this.#driven;
    this.#heldUpSinceMs ??= nowMs;
    if (deferred.roomForClosed === 0 && nowMs < this.#lookForPlacesAtMs) return;
    this.#lookForPlacesAtMs = nowMs + lookForPlacesEveryMs;
    const heldUpMs = nowMs - this.#heldUpSinceMs;
    for (const { item, reason, sinceMs } of accounts.itemsLeft(nowMs)) {
      if (item.isBusy) continue;
      const maybeSent = item.unresolvedSinceMs !== undefined;
      const isBeyond = heldUpMs >= placeWaitMs && nowMs - sinceMs >= beyondWaitMs;
      if (deferred.roomForClosed > 0 || (isBeyond && maybeSent)) this.#settle(item, 'deferred', reason, redisMs);
      else if (!isBeyond) continue;
      else if (item.needsList) this.#settle(item, 'dead', unlisted(item.entry.meter, reason), redisMs);
      else if (this.#areOthersServed(sinceMs, item.sinceMs, heldUpMs)) this.#settle(item, 'dead', notServed, redisMs);
    }
  }

  /**
   * In an outage nothing is parked for want of room. Who is served since the account is closed, and the set on its way, shows that there is
   * none. But those whose turn it is may all stand behind such sets: after a while one of the two has to do.
   */
  #areOthersServed(closedSinceMs: number, setSinceMs: number, heldUpMs: number): boolean {
    const isLong = heldUpMs >= this.#limits.deferTail.afterMs;
    return this.#troubles.isAnybodyServedSince(Math[isLong ? 'min' : 'max'](closedSinceMs, setSinceMs));
  }

  /** Defers what the set has for a lane in trouble, while there is room. Only what was certainly never sent is parked instead. */
  defer(lane: string, trouble: Trouble, nowMs: number, redisMs: number): void {
    const { lanes, deferred } = this.#driven;
    const mayPark = this.#troubles.isItsOwn(trouble);
    for (const item of lanes.ofSet(lane)) {
      const sinceMs = item.unresolvedSinceMs;
      if (this.#isTooOld(item, nowMs, redisMs)) continue;
      if (deferred.hasRoomFor(lane) || (sinceMs !== undefined && deferred.free > 0))
        this.#settle(item, 'deferred', trouble.reason, redisMs);
      else if (mayPark && sinceMs === undefined && deferred.isFlood(lane)) this.#settle(item, 'dead', flood, redisMs);
    }
  }

  /** It ends in doubt then. */
  #isTooOld(item: Item, nowMs: number, redisMs: number): boolean {
    if (nowMs - (item.unresolvedSinceMs ?? nowMs) < this.#limits.inDoubtAfterMs) return false;
    this.#settle(item, 'in_doubt', neverCertain, redisMs);
    return true;
  }

  /** Why this entry of a new set is not even called: its lane keeps failing, and there is no room for one more unknown outcome. */
  refusalOf(item: Item): string | undefined {
    if (this.#troubles.size === 0 || item.unresolvedSinceMs !== undefined) return undefined;
    const lane = laneName(item.entry);
    const trouble = this.#troubles.get(lane);
    if (trouble === undefined || !this.#troubles.isItsOwn(trouble)) return undefined;
    const { deferred } = this.#driven;
    return deferred.hasRoomFor(lane) || !deferred.isFlood(lane) ? undefined : flood;
  }

  /** Lets lanes make way whose trouble is their own. Answers which others have been in trouble for long, and how much each has. */
  #judge(nowMs: number, redisMs: number): Map<string, number> {
    const stuck = new Map<string, number>();
    if (this.#troubles.size === 0 || nowMs < this.#judgeAtMs) return stuck;
    this.#judgeAtMs = nowMs + judgeEveryMs;
    const { lanes, accounts } = this.#driven;
    const { makeWayAfterMs, deferTail } = this.#limits;
    for (const [lane, trouble] of this.#troubles.entries()) {
      if (nowMs - trouble.sinceMs < makeWayAfterMs) continue;
      const items = lanes.ofSet(lane);
      const [first] = items;
      if (first === undefined || accounts.isStuck(first, nowMs)) continue;
      // With each set the lane has the time to show that it is well again.
      const ageMs = nowMs - Math.max(trouble.sinceMs, first.sinceMs);
      const isItsOwn = trouble.isLocked || this.#troubles.isItsOwn(trouble);
      if (ageMs >= makeWayAfterMs && isItsOwn) this.defer(lane, trouble, nowMs, redisMs);
      const left = ageMs < deferTail.afterMs ? 0 : items.filter(({ isGone }) => !isGone).length;
      if (left > 0) stuck.set(lane, left);
    }
    return stuck;
  }
}
