import type { BreakerState } from '../provider/breaker.ts';
import { platform } from '../provider/breakers.ts';
import type { Outcome } from '../provider/provider.ts';
import { AccountLine } from './account-line.ts';
import type { Call, CallSource, StartedCall } from './call.ts';
import { SlotQueue } from './slot-queue.ts';

/**
 * Starts the calls of all shards: which one, when, how many at once. Time comes in with every event; the shell
 * (`run-dispatcher.ts`) and the simulation run the calls and the requests for slots that `tick` answers.
 *
 * It guarantees: a call starts only in a slot of the cluster's rate, one for a connected account only in a slot of that
 * account's rate as well; each slot starts at most one; no more than `concurrency` are in flight. Accounts that have calls
 * take turns, and so do an account's shards. While an account's breaker is open none of its calls starts, while it is half
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
  /** It had armed calls and gave none: it is not asked again, nor counted, before this. */
  restsUntilMs: number;
}

const restMs = 20;

export class Dispatcher {
  readonly #limits: DispatchLimits;
  readonly #states = new Map<CallSource, SourceState>();
  /** Whose turn it is first. */
  #turns: SourceState[] = [];
  readonly #slots = new SlotQueue();
  readonly #lines = new Map<string, AccountLine<SourceState>>();
  /** Accounts with armed calls; whose turn it is first. */
  #inTurn: AccountLine<SourceState>[] = [];
  #inFlight = 0;
  #isAsking = false;
  #askAgainAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: DispatchLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Connected accounts that the provider does not serve, or not as fast as it should. */
  get closedAccounts(): number {
    let closed = 0;
    for (const line of this.#lines.values()) if (line.closedFor !== undefined) closed++;
    return closed;
  }

  /** Calls of a source that still run, also after it was removed: a shard is not claimed again before they have ended. */
  inFlightOf(source: CallSource): number {
    return this.#states.get(source)?.inFlight ?? 0;
  }

  add(source: CallSource): void {
    const known = this.#states.get(source);
    if (known !== undefined && !known.removed) return;
    const state = known ?? { source, inFlight: 0, removed: false, restsUntilMs: Number.NEGATIVE_INFINITY };
    state.removed = false;
    this.#states.set(source, state);
    this.#turns.push(state);
    for (const { account, closedFor } of this.#lines.values())
      if (closedFor !== undefined) source.accountChanged(account, closedFor);
  }

  /** No call of it starts any more; those in flight go on, and are told to it when they end. */
  remove(source: CallSource): void {
    const state = this.#states.get(source);
    if (state === undefined) return;
    state.removed = true;
    this.#turns = this.#turns.filter((turn) => turn !== state);
    if (state.inFlight === 0) this.#states.delete(source);
  }

  breakerChanged(account: string, state: BreakerState, reason: string, nowMs: number): void {
    this.#lineOf(account).breakerChanged(state, reason, nowMs);
    this.#tellClosed();
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
    this.#inFlight--;
    const state = this.#states.get(started.source);
    if (state === undefined) throw new Error('A call ended that was never started.');
    state.inFlight--;
    if (state.removed && state.inFlight === 0) this.#states.delete(started.source);
    this.#lineOf(started.account).callEnded(started, outcome);
    if (outcome.kind === 'accepted') {
      for (const line of this.#lines.values()) if (line.account !== started.account) line.othersServed(nowMs);
    }
    this.#tellClosed();
  }

  tick(nowMs: number): Tick {
    this.#lookAround(nowMs);
    const started: StartedCall[] = [];
    while (this.#slots.isDue(nowMs) && this.#inFlight < this.#limits.concurrency) {
      const call = this.#takeCall(nowMs);
      if (call === undefined) break;
      this.#slots.use();
      started.push(call);
    }
    // With nothing to call, slots that are still to come are of use to others.
    const slotsToGiveBack = this.#hasWork() ? 0 : this.#slots.clear(nowMs);
    const startable = this.#startable(nowMs);
    const wanted = startable - this.#slots.size;
    const slotsWanted = this.#ask(nowMs, wanted);
    const nextMs = this.#nextMs(nowMs, startable, wanted);
    const slotsMissed = this.#slots.takeMissed();
    this.#forgetIdle();
    return { started, slotsWanted, slotsMissed, slotsToGiveBack, nextMs };
  }

  /** What is armed where, as of now. */
  #lookAround(nowMs: number): void {
    for (const line of this.#lines.values()) line.begin();
    for (const state of this.#turns) {
      if (nowMs < state.restsUntilMs) continue;
      for (const [account, armed] of state.source.armed) this.#lineOf(account).offer(state, armed);
    }
    const before = this.#inTurn.filter(({ armed }) => armed > 0);
    const known = new Set(before);
    for (const line of this.#lines.values()) if (line.armed > 0 && !known.has(line)) before.push(line);
    this.#inTurn = before;
  }

  /** Account and source whose turn it is go to the end of their lines. */
  #takeCall(nowMs: number): StartedCall | undefined {
    for (let turn = 0; turn < this.#inTurn.length; turn++) {
      const line = this.#inTurn.shift();
      if (line === undefined) return undefined;
      this.#inTurn.push(line);
      if (!line.mayStart(nowMs)) continue;
      const taken = (line.isWell ? undefined : this.#takeFrom(line, nowMs, true)) ?? this.#takeFrom(line, nowMs, false);
      if (taken === undefined) continue;
      const { call, state } = taken;
      const { source } = state;
      const started = { call, source, account: line.account, startedAtMs: nowMs, breakerClosed: line.isWell };
      state.inFlight++;
      this.#inFlight++;
      line.started(started);
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
    for (const state of line.sources) {
      const call = state.source.takeCall(nowMs, line.account, onlyFresh);
      if (call !== undefined) {
        this.#turns = [...this.#turns.filter((other) => other !== state), state];
        line.toTheEnd(state);
        return { call, state };
      }
      if (onlyFresh) continue;
      state.restsUntilMs = nowMs + restMs;
      line.withdraw(state);
    }
    return undefined;
  }

  /** Something may start soon, if not now. */
  #hasWork(): boolean {
    for (const { source } of this.#turns)
      for (const account of source.armed.keys()) if (!this.#lineOf(account).isOpen) return true;
    return false;
  }

  /** Calls that only want a slot of the cluster's rate. */
  #startable(nowMs: number): number {
    let startable = 0;
    for (const line of this.#inTurn) startable += line.startable(nowMs);
    return Math.min(startable, this.#limits.concurrency - this.#inFlight);
  }

  #ask(nowMs: number, wanted: number): SlotsWanted[] {
    const asked: SlotsWanted[] = [];
    if (wanted > 0 && !this.#isAsking && nowMs >= this.#askAgainAtMs) {
      this.#isAsking = true;
      asked.push({ account: platform, count: Math.min(wanted, this.#limits.chunk) });
    }
    for (const line of this.#inTurn) {
      const count = line.ask(nowMs, Math.min(this.#limits.chunk, this.#limits.concurrency - this.#inFlight));
      if (count > 0) asked.push({ account: line.account, count });
    }
    return asked;
  }

  #nextMs(nowMs: number, startable: number, wanted: number): number | undefined {
    const times: number[] = [];
    if (startable > 0) {
      const slotAtMs = this.#slots.firstAtMs();
      if (slotAtMs !== undefined) times.push(slotAtMs);
      if (wanted > 0 && !this.#isAsking) times.push(this.#askAgainAtMs);
    }
    if (this.#inFlight < this.#limits.concurrency)
      for (const line of this.#inTurn) times.push(...line.nextTimes(nowMs));
    return times.length === 0 ? undefined : Math.max(nowMs, Math.min(...times));
  }

  #lineOf(account: string): AccountLine<SourceState> {
    let line = this.#lines.get(account);
    if (line === undefined) {
      line = new AccountLine(account);
      this.#lines.set(account, line);
    }
    return line;
  }

  #tellClosed(): void {
    // With the key itself out of order everything waits, in the broker: that is no account's own trouble.
    const isKeyRefused = this.#lines.get(platform)?.isUnauthorized === true;
    for (const line of this.#lines.values()) {
      line.keyRefused(isKeyRefused);
      if (!line.takeClosedChanged()) continue;
      for (const { source } of this.#turns) source.accountChanged(line.account, line.closedFor);
    }
  }

  #forgetIdle(): void {
    for (const [account, line] of this.#lines) if (line.isIdle) this.#lines.delete(account);
  }
}
