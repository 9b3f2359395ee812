import type { BreakerState } from '../provider/breaker.ts';
import { platform } from '../provider/breakers.ts';
import type { Outcome } from '../provider/provider.ts';
import { AccountLine } from './account-line.ts';
import type { Call, CallSource, StartedCall } from './call.ts';
import { SlotQueue } from './slot-queue.ts';
import { Turns } from './turns.ts';

/**
 * Starts the calls of all shards: which one, when, how many at once. Time comes in with every event; the shell
 * (`run-dispatcher.ts`) and the simulation run the calls and the requests for slots that `tick` answers.
 *
 * It guarantees: a call starts only in a slot of the cluster's rate, one for a connected account only in a slot of that
 * account's rate as well; each slot starts at most one; no more than `concurrency` are in flight, and of accounts that answer
 * late only as many as leave the others their room (turns.ts). Accounts that have calls take turns, and so do an account's shards. While an account's breaker is open none of its calls starts, while it is half
 * open exactly one. It keeps no calls: what a source has to send again comes again through `takeCall`, and pays again.
 */

export interface DispatchLimits {
  /** Calls in flight. */
  readonly concurrency: number;
  /** Slots per request. */
  readonly chunk: number;
  /** Least time between two requests for slots, so that they are worth asking for. */
  readonly leaseGapMs: number;
}

export const defaultDispatchLimits = { chunk: 25, leaseGapMs: 5 } as const;

/** Ask this account's limiter for so many slots, and answer with `slotsGranted` or `slotsRefused`. */
export interface SlotsWanted {
  readonly account: string;
  readonly count: number;
}

export interface Tick {
  readonly started: readonly StartedCall[];
  readonly slotsWanted: readonly SlotsWanted[];
  /** Slots that ended unused since the last tick. */
  readonly slotsMissed: number;
  /** Slots of the cluster's rate that have no use any more, the last ones that were granted. */
  readonly slotsToGiveBack: number;
  /** When there is something to do again, unless something happens before; undefined: nothing is armed. */
  readonly nextMs: number | undefined;
}

interface SourceState {
  readonly source: CallSource;
  inFlight: number;
  removed: boolean;
  /** As it said last, by account. */
  readonly armed: Map<string, number>;
  /** Accounts for which it had armed calls and gave none: it is not asked again, nor counted, for a while. */
  readonly resting: Set<string>;
}

interface Rest {
  readonly state: SourceState;
  readonly account: string;
  readonly untilMs: number;
}

const restMs = 20;
/** A call that takes so long is overdue. */
export const overdueAfterMs = 1_000;
/** Slots of accounts' own rates are worth asking for as far as calls were started in such a time, twice over, and these few. */
const paceMs = 250;
const ownSlotsMin = 32;

export class Dispatcher {
  readonly #limits: DispatchLimits;
  readonly #turns: Turns<SourceState>;
  readonly #states = new Map<CallSource, SourceState>();
  readonly #slots = new SlotQueue();
  /** In flight and not overdue, in order of their start. */
  readonly #young = new Set<StartedCall>();
  readonly #overdue = new WeakSet<StartedCall>();
  /** In order of their end. */
  #rests: Rest[] = [];
  /** Connected accounts whose breaker is not closed; of them, those that nothing has shown to be alone with that. */
  readonly #failing = new Set<AccountLine<SourceState>>();
  readonly #waitForOthers = new Set<AccountLine<SourceState>>();
  #isKeyRefused = false;
  #isAsking = false;
  #askAgainAtMs = Number.NEGATIVE_INFINITY;
  #pace = { fromMs: Number.NEGATIVE_INFINITY, started: 0, before: 0 };

  constructor(limits: DispatchLimits) {
    this.#limits = limits;
    this.#turns = new Turns(limits.concurrency);
  }

  get inFlight(): number {
    let inFlight = 0;
    for (const state of this.#states.values()) inFlight += state.inFlight;
    return inFlight;
  }

  /** Connected accounts that the provider does not serve, or not as fast as it should. */
  get closedAccounts(): number {
    let closed = 0;
    for (const line of this.#failing) if (line.closedFor !== undefined) closed++;
    return closed;
  }

  /** How often an account was looked at: the work of all ticks. */
  get looks(): number {
    return this.#turns.looks;
  }

  /** Calls of a source that still run, also after it was removed: a shard is not claimed again before they have ended. */
  inFlightOf(source: CallSource): number {
    return this.#states.get(source)?.inFlight ?? 0;
  }

  /** A source is added once. */
  add(source: CallSource): void {
    if (this.#states.has(source)) return;
    this.#states.set(source, { source, inFlight: 0, removed: false, armed: new Map(), resting: new Set() });
    for (const { account, closedFor } of this.#failing)
      if (closedFor !== undefined) source.accountChanged(account, closedFor);
  }

  /** No call of it starts any more; those in flight go on, and are told to it when they end. */
  remove(source: CallSource): void {
    const state = this.#states.get(source);
    if (state === undefined) return;
    state.removed = true;
    for (const account of state.armed.keys()) this.#lineOf(account).offer(state, 0);
    state.armed.clear();
    this.#rests = this.#rests.filter((rest) => rest.state !== state);
    if (state.inFlight === 0) this.#states.delete(source);
  }

  breakerChanged(account: string, state: BreakerState, reason: string, nowMs: number): void {
    const line = this.#lineOf(account);
    line.keyRefused(this.#isKeyRefused);
    line.breakerChanged(state, reason, nowMs);
    if (account !== platform) {
      if (line.isWell) this.#failing.delete(line);
      else this.#failing.add(line);
      this.#noteWaiting(line);
    }
    this.#tellClosed(line);
  }

  slotsGranted(account: string, slotsAtMs: readonly number[], toleranceMs: number, nowMs: number): void {
    if (account !== platform) {
      this.#lineOf(account).slotsGranted(slotsAtMs, toleranceMs, nowMs + this.#limits.leaseGapMs);
      return;
    }
    this.#isAsking = false;
    this.#askAgainAtMs = nowMs + this.#limits.leaseGapMs;
    for (const atMs of slotsAtMs) this.#slots.add({ fromMs: atMs, untilMs: atMs + toleranceMs });
  }

  /** No slots now, or nobody could be asked. */
  slotsRefused(account: string, waitMs: number, nowMs: number): void {
    const againAtMs = nowMs + Math.max(waitMs, this.#limits.leaseGapMs);
    if (account !== platform) {
      this.#lineOf(account).slotsGranted([], 0, againAtMs);
      return;
    }
    this.#isAsking = false;
    this.#askAgainAtMs = againAtMs;
  }

  callEnded(started: StartedCall, outcome: Outcome, nowMs: number): void {
    const state = this.#states.get(started.source);
    if (state === undefined) throw new Error('A call ended that was never started.');
    state.inFlight--;
    if (state.removed && state.inFlight === 0) this.#states.delete(started.source);
    const line = this.#lineOf(started.account);
    this.#young.delete(started);
    line.callEnded(started, outcome, this.#overdue.has(started));
    if (outcome.kind === 'accepted') {
      for (const other of this.#waitForOthers) {
        if (other === line) continue;
        other.othersServed(nowMs);
        this.#noteWaiting(other);
        this.#tellClosed(other);
      }
    }
    this.#tellClosed(line);
  }

  tick(nowMs: number): Tick {
    this.#lookAround(nowMs);
    const turns = this.#turns;
    turns.look(nowMs);
    const started: StartedCall[] = [];
    while (this.#slots.isDue(nowMs) && turns.room > 0) {
      const call = this.#takeCall(nowMs);
      if (call === undefined) break;
      this.#slots.use();
      started.push(call);
    }
    turns.look(nowMs);
    // With nothing to call, slots that are still to come are of use to others.
    const slotsToGiveBack = turns.hasWork || this.#rests.length > 0 ? 0 : this.#slots.clear(nowMs);
    const { startable } = turns;
    const wanted = startable - this.#slots.size;
    const slotsWanted = this.#ask(nowMs, wanted, started.length);
    const nextMs = this.#nextMs(nowMs, startable, wanted);
    const slotsMissed = this.#slots.takeMissed();
    return { started, slotsWanted, slotsMissed, slotsToGiveBack, nextMs };
  }

  /** What has changed since the last tick. */
  #lookAround(nowMs: number): void {
    for (const state of this.#states.values()) {
      if (state.removed) continue;
      for (const [account, armed] of state.source.takeArmedChanges(nowMs)) {
        if (armed === 0) state.armed.delete(account);
        else state.armed.set(account, armed);
        if (!state.resting.has(account)) this.#lineOf(account).offer(state, armed);
      }
    }
    let over = 0;
    for (const { state, account, untilMs } of this.#rests) {
      if (nowMs < untilMs) break;
      over++;
      state.resting.delete(account);
      this.#lineOf(account).offer(state, state.armed.get(account) ?? 0);
    }
    if (over > 0) this.#rests = this.#rests.slice(over);
    for (const call of this.#young) {
      if (nowMs - call.startedAtMs < overdueAfterMs) break;
      this.#young.delete(call);
      this.#overdue.add(call);
      this.#lineOf(call.account).becameOverdue();
    }
  }

  /** Account and source whose turn it is go to the end of their lines. */
  #takeCall(nowMs: number): StartedCall | undefined {
    for (let line = this.#turns.next(nowMs); line !== undefined; line = this.#turns.next(nowMs)) {
      const taken = (line.isWell ? undefined : this.#takeFrom(line, nowMs, true)) ?? this.#takeFrom(line, nowMs, false);
      if (taken === undefined) continue;
      const { call, state } = taken;
      const { source } = state;
      const started = { call, source, account: line.account, startedAtMs: nowMs, breakerClosed: line.isWell };
      state.inFlight++;
      line.started(started);
      this.#young.add(started);
      this.#turns.look(nowMs);
      return started;
    }
    return undefined;
  }

  /** From the source whose turn it is, or else from another. */
  #takeFrom(
    line: AccountLine<SourceState>,
    nowMs: number,
    onlyFresh: boolean,
  ): { readonly call: Call; readonly state: SourceState } | undefined {
    const { account } = line;
    for (const state of line.sources) {
      const call = state.source.takeCall(nowMs, account, onlyFresh);
      if (call !== undefined) {
        const left = Math.max(0, (state.armed.get(account) ?? 0) - 1);
        state.armed.set(account, left);
        line.toTheEnd(state);
        line.offer(state, left);
        return { call, state };
      }
      if (onlyFresh) continue;
      state.resting.add(account);
      this.#rests.push({ state, account, untilMs: nowMs + restMs });
      line.offer(state, 0);
    }
    return undefined;
  }

  #ask(nowMs: number, wanted: number, started: number): SlotsWanted[] {
    const asked: SlotsWanted[] = [];
    if (wanted > 0 && !this.#isAsking && nowMs >= this.#askAgainAtMs) {
      this.#isAsking = true;
      asked.push({ account: platform, count: Math.min(wanted, this.#limits.chunk) });
    }
    for (const { line, count } of this.#turns.wanting(this.#ownSlotsMax(nowMs, started), this.#limits.chunk, nowMs))
      asked.push({ account: line.account, count });
    return asked;
  }

  /** An account's own slot that meets none of the cluster's in time is asked for in vain, however many accounts there are. */
  #ownSlotsMax(nowMs: number, started: number): number {
    if (nowMs - this.#pace.fromMs >= paceMs)
      this.#pace = {
        fromMs: nowMs,
        started: 0,
        before: nowMs - this.#pace.fromMs < 2 * paceMs ? this.#pace.started : 0,
      };
    this.#pace.started += started;
    return Math.max(ownSlotsMin, 2 * Math.max(this.#pace.started, this.#pace.before));
  }

  #nextMs(nowMs: number, startable: number, wanted: number): number | undefined {
    let nextMs = Number.POSITIVE_INFINITY;
    if (startable > 0) {
      nextMs = this.#slots.firstAtMs() ?? nextMs;
      if (wanted > 0 && !this.#isAsking) nextMs = Math.min(nextMs, this.#askAgainAtMs);
    }
    if (this.#turns.room > 0) nextMs = Math.min(nextMs, this.#turns.nextAtMs);
    return nextMs === Number.POSITIVE_INFINITY ? undefined : Math.max(nowMs, nextMs);
  }

  #lineOf(account: string): AccountLine<SourceState> {
    return this.#turns.of(account, () => new AccountLine(account)).line;
  }

  #noteWaiting(line: AccountLine<SourceState>): void {
    if (line.waitsForOthers) this.#waitForOthers.add(line);
    else this.#waitForOthers.delete(line);
  }

  #tellClosed(changed: AccountLine<SourceState>): void {
    this.#tellOf(changed);
    if (changed.account !== platform || changed.isUnauthorized === this.#isKeyRefused) return;
    // With the key itself out of order everything waits, in the broker: that is no account's own trouble.
    this.#isKeyRefused = changed.isUnauthorized;
    for (const line of this.#failing) {
      line.keyRefused(this.#isKeyRefused);
      this.#tellOf(line);
    }
  }

  #tellOf(line: AccountLine<SourceState>): void {
    if (!line.takeClosedChanged()) return;
    for (const { source, removed } of this.#states.values())
      if (!removed) source.accountChanged(line.account, line.closedFor);
  }
}
