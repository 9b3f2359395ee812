import type { Entry } from '../../../../shared/journal/journal.ts';
import type { BreakerState } from '../provider/breaker.ts';
import type { Meter, Outcome } from '../provider/provider.ts';
import { Pace } from './pace.ts';
import { SlotQueue } from './slot-queue.ts';

/**
 * Starts the calls of all shards: which one, when, how many at once. Time comes in with every event; the shell
 * (`run-dispatcher.ts`) and the simulation run the calls and the requests for slots that `tick` answers.
 *
 * It guarantees: a call starts only in a slot of the cluster's rate, each slot starts at most one, and no more than
 * `concurrency` are in flight; shards that have calls take turns; while the breaker is open nothing starts, while it is
 * half open exactly one. It keeps no calls: what a source has to send again comes again through `takeCall`, and pays again.
 */

/** One call to the provider. */
export interface Call {
  readonly entry: Entry;
  /** Undefined when the provider's list does not have it. */
  readonly meter: Meter | undefined;
  /**
   * Called exactly once. `breakerClosed`: the breaker was closed when the call began and when it ended, so that a
   * failure is this entry's own and not the provider's as a whole.
   */
  ended(outcome: Outcome, nowMs: number, breakerClosed: boolean): void;
}

/** Where calls come from: a shard. */
export interface CallSource {
  /** Calls that could start now. */
  readonly armed: number;
  /** The next call, which starts in this very tick; undefined if none may start now. */
  takeCall(nowMs: number): Call | undefined;
}

export interface DispatchLimits {
  /** Calls in flight. */
  readonly concurrency: number;
  /** Slots per request. */
  readonly chunk: number;
  /** Least time between two requests for slots, so that they are worth asking for. */
  readonly leaseGapMs: number;
}

export const defaultDispatchLimits = { chunk: 25, leaseGapMs: 5 } as const;

export interface StartedCall {
  readonly call: Call;
  readonly source: CallSource;
  readonly breakerClosed: boolean;
}

export interface Tick {
  readonly started: readonly StartedCall[];
  /** Ask the limiter for so many slots, and answer with `slotsGranted` or `slotsRefused`; 0: do not ask. */
  readonly slotsWanted: number;
  /** The part of the rate to ask for: see `Pace`. */
  readonly pace: number;
  /** Slots that ended unused since the last tick. */
  readonly slotsMissed: number;
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
  readonly #pace = new Pace();
  #inFlight = 0;
  #breaker: BreakerState = 'closed';
  /** The one call of a half-open breaker. */
  #probe: StartedCall | undefined;
  #isAsking = false;
  #askAgainAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: DispatchLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
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
  }

  /** No call of it starts any more; those in flight go on, and are told to it when they end. */
  remove(source: CallSource): void {
    const state = this.#states.get(source);
    if (state === undefined) return;
    state.removed = true;
    this.#turns = this.#turns.filter((turn) => turn !== state);
    if (state.inFlight === 0) this.#states.delete(source);
  }

  breakerChanged(state: BreakerState): void {
    this.#breaker = state;
    this.#probe = undefined;
  }

  slotsGranted(slotsAtMs: readonly number[], toleranceMs: number, nowMs: number): void {
    this.#isAsking = false;
    this.#askAgainAtMs = nowMs + this.#limits.leaseGapMs;
    for (const atMs of slotsAtMs) this.#slots.add({ fromMs: atMs, untilMs: atMs + toleranceMs });
  }

  /** No slots now, or nobody could be asked. */
  slotsRefused(waitMs: number, nowMs: number): void {
    this.#isAsking = false;
    this.#askAgainAtMs = nowMs + Math.max(waitMs, this.#limits.leaseGapMs);
  }

  callEnded(started: StartedCall, outcome: Outcome, nowMs: number): void {
    this.#pace.callEnded(outcome.kind === 'throttled' && outcome.scope === 'account', nowMs);
    this.#inFlight--;
    if (this.#probe === started) this.#probe = undefined;
    const state = this.#states.get(started.source);
    if (state === undefined) throw new Error('A call ended that was never started.');
    state.inFlight--;
    if (state.removed && state.inFlight === 0) this.#states.delete(started.source);
  }

  tick(nowMs: number): Tick {
    if (this.#breaker === 'open') this.#slots.clear();
    const started: StartedCall[] = [];
    while (this.#slots.isDue(nowMs) && this.#room() > 0) {
      const call = this.#takeCall(nowMs);
      if (call === undefined) break;
      this.#slots.use();
      started.push(call);
    }
    const armed = this.#armed(nowMs);
    const wanted = this.#wanted(armed);
    const slotsWanted =
      wanted > 0 && !this.#isAsking && nowMs >= this.#askAgainAtMs ? Math.min(wanted, this.#limits.chunk) : 0;
    if (slotsWanted > 0) this.#isAsking = true;
    return {
      started,
      slotsWanted,
      pace: this.#pace.current,
      slotsMissed: this.#slots.takeMissed(),
      nextMs: this.#nextMs(nowMs, armed, wanted),
    };
  }

  /** How many more calls may be in flight. */
  #room(): number {
    switch (this.#breaker) {
      case 'open':
        return 0;
      case 'half_open':
        return this.#probe === undefined ? 1 : 0;
      case 'closed':
        return this.#limits.concurrency - this.#inFlight;
    }
  }

  #armed(nowMs: number): number {
    let armed = 0;
    for (const { source, restsUntilMs } of this.#turns) if (nowMs >= restsUntilMs) armed += source.armed;
    return armed;
  }

  /** The source whose turn it is goes to the end of the line, whether or not it gives a call. */
  #takeCall(nowMs: number): StartedCall | undefined {
    for (let turn = 0; turn < this.#turns.length; turn++) {
      const state = this.#turns.shift();
      if (state === undefined) return undefined;
      this.#turns.push(state);
      if (nowMs < state.restsUntilMs || state.source.armed === 0) continue;
      const call = state.source.takeCall(nowMs);
      if (call === undefined) {
        state.restsUntilMs = nowMs + restMs;
        continue;
      }
      const started = { call, source: state.source, breakerClosed: this.#breaker === 'closed' };
      state.inFlight++;
      this.#inFlight++;
      if (this.#breaker === 'half_open') this.#probe = started;
      return started;
    }
    return undefined;
  }

  /** Slots that are missing for what could start. */
  #wanted(armed: number): number {
    return Math.min(armed, this.#room()) - this.#slots.size;
  }

  #nextMs(nowMs: number, armed: number, wanted: number): number | undefined {
    if (armed === 0 || this.#room() === 0) return undefined;
    const times: number[] = [];
    const slotAtMs = this.#slots.firstAtMs();
    if (slotAtMs !== undefined) times.push(slotAtMs);
    if (wanted > 0 && !this.#isAsking) times.push(this.#askAgainAtMs);
    return times.length === 0 ? undefined : Math.max(nowMs, Math.min(...times));
  }
}
