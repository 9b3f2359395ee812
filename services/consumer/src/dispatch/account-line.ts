import type { BreakerState } from '../provider/breaker.ts';
import { platform } from '../provider/breakers.ts';
import type { Outcome } from '../provider/provider.ts';
import { SlotQueue } from './slot-queue.ts';

/**
 * What the dispatcher knows of one account: who has calls for it, its breaker, how fast it answers, and, for a connected account,
 * the slots of its own rate. The platform's calls need a slot of the cluster's rate only.
 *
 * A connected account is *closed* when its breaker is not closed though the provider serves others: it was refused as
 * unauthorized, or another account's call was accepted since it began to fail.
 *
 * An account is *prompt* when its latest answer came in time and no more than a quarter of its calls in flight are overdue.
 */
export class AccountLine<Source> {
  readonly account: string;
  /** Calls that could start, by source; whose turn it is first. */
  readonly #offers = new Map<Source, number>();
  #armed = 0;
  #breaker: BreakerState = 'closed';
  /** The one call of a half-open breaker. */
  #probe: object | undefined;
  #inFlight = 0;
  #overdue = 0;
  #wasInTime = false;
  readonly #slots = new SlotQueue();
  #asked = 0;
  #askAgainAtMs = Number.NEGATIVE_INFINITY;
  #failingSinceMs: number | undefined;
  #reason = '';
  #isUnauthorized = false;
  #areOthersServed = false;
  #isKeyRefused = false;
  #closedFor: string | undefined;
  #toldClosedFor: string | undefined;

  constructor(account: string) {
    this.account = account;
  }

  get armed(): number {
    return this.#armed;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Its breaker lets every call through. */
  get isWell(): boolean {
    return this.#breaker === 'closed';
  }

  /** It has calls, and its breaker may let one through. */
  get hasWork(): boolean {
    return this.#armed > 0 && this.#breaker !== 'open';
  }

  get isPrompt(): boolean {
    return this.#wasInTime && this.#overdue * 4 <= this.#inFlight;
  }

  /** Why it is closed to calls; undefined: it is not. */
  get closedFor(): string | undefined {
    return this.#closedFor;
  }

  /** Its latest call was refused for the credential. */
  get isUnauthorized(): boolean {
    return this.#isUnauthorized;
  }

  /** It fails, and nothing has shown so far that the provider serves others. */
  get waitsForOthers(): boolean {
    return this.#failingSinceMs !== undefined && !this.#areOthersServed;
  }

  /** There is nothing to remember about it. How fast the platform answers is. */
  get isIdle(): boolean {
    return (
      this.account !== platform &&
      this.#offers.size === 0 &&
      this.#inFlight === 0 &&
      this.isWell &&
      !this.#isUnauthorized &&
      this.#asked === 0 &&
      this.#slots.size === 0
    );
  }

  /** The source has so many calls for it now. */
  offer(source: Source, armed: number): void {
    this.#armed += armed - (this.#offers.get(source) ?? 0);
    if (armed === 0) this.#offers.delete(source);
    else this.#offers.set(source, armed);
  }

  /** Whose turn it is first. */
  get sources(): readonly Source[] {
    return [...this.#offers.keys()];
  }

  toTheEnd(source: Source): void {
    const armed = this.#offers.get(source);
    if (armed === undefined) return;
    this.#offers.delete(source);
    this.#offers.set(source, armed);
  }

  /** Calls that only want a slot of the cluster's rate, and room. */
  startable(nowMs: number): number {
    const ready = Math.min(this.#armed, this.#room());
    if (this.account === platform || ready === 0) return ready;
    // Slots come in order: once the first one is due those behind it soon are.
    return this.#slots.isDue(nowMs) ? Math.min(ready, this.#slots.size) : 0;
  }

  /** Slots of its own rate that it has or has asked for. */
  get slotsTaken(): number {
    return this.#slots.size + this.#asked;
  }

  /** How many slots of its own rate it could use more. */
  slotsWanted(nowMs: number): number {
    if (this.account === platform || this.#asked > 0 || nowMs < this.#askAgainAtMs) return 0;
    return Math.max(0, Math.min(this.#armed, this.#room()) - this.#slots.size);
  }

  asks(count: number): void {
    this.#asked = count;
  }

  /**
   * When its own slots are due or may be asked for; Infinity while it waits for something else. A slot that is due waits for one of
   * the cluster's rate, until it is too late.
   */
  wakeAtMs(nowMs: number): number {
    if (this.account === platform || this.#armed === 0 || this.#room() === 0) return Number.POSITIVE_INFINITY;
    const slotAtMs = this.#slots.firstAtMs();
    if (slotAtMs !== undefined) return slotAtMs > nowMs ? slotAtMs : Number.POSITIVE_INFINITY;
    return this.#asked > 0 || this.#askAgainAtMs <= nowMs ? Number.POSITIVE_INFINITY : this.#askAgainAtMs;
  }

  /** When a slot that it has is too late. */
  get lateAtMs(): number {
    return this.#slots.lateAtMs() ?? Number.POSITIVE_INFINITY;
  }

  slotsGranted(slotsAtMs: readonly number[], toleranceMs: number, askAgainAtMs: number): void {
    this.#asked = 0;
    this.#askAgainAtMs = askAgainAtMs;
    for (const atMs of slotsAtMs) this.#slots.add({ fromMs: atMs, untilMs: atMs + toleranceMs });
  }

  started(call: object): void {
    this.#inFlight++;
    if (this.account !== platform) this.#slots.use();
    if (this.#breaker === 'half_open') this.#probe = call;
  }

  becameOverdue(): void {
    this.#overdue++;
  }

  callEnded(call: object, outcome: Outcome, wasOverdue: boolean): void {
    this.#inFlight--;
    if (wasOverdue) this.#overdue--;
    this.#wasInTime = !wasOverdue;
    if (this.#probe === call) this.#probe = undefined;
    if (outcome.kind === 'unauthorized') {
      this.#isUnauthorized = true;
      this.#reason = outcome.reason;
    } else if (outcome.kind !== 'unsent') {
      this.#isUnauthorized = false;
    }
    this.#judge();
  }

  breakerChanged(state: BreakerState, reason: string, nowMs: number): void {
    this.#breaker = state;
    this.#probe = undefined;
    this.#reason = reason;
    if (state === 'closed') {
      this.#failingSinceMs = undefined;
      this.#isUnauthorized = false;
      this.#areOthersServed = false;
    } else {
      this.#failingSinceMs ??= nowMs;
    }
    if (state === 'open') this.#slots.clear(nowMs);
    this.#judge();
  }

  /** Another account's call was accepted. */
  othersServed(nowMs: number): void {
    if (this.#failingSinceMs === undefined || nowMs < this.#failingSinceMs || this.#areOthersServed) return;
    this.#areOthersServed = true;
    this.#judge();
  }

  /** Whether the credential works for nobody. */
  keyRefused(isRefused: boolean): void {
    if (this.#isKeyRefused === isRefused) return;
    this.#isKeyRefused = isRefused;
    this.#judge();
  }

  /** Whether it was closed or opened since this was last asked. */
  takeClosedChanged(): boolean {
    if (this.#closedFor === this.#toldClosedFor) return false;
    this.#toldClosedFor = this.#closedFor;
    return true;
  }

  #judge(): void {
    const isOut = this.account !== platform && this.#breaker !== 'closed' && !this.#isKeyRefused;
    this.#closedFor = isOut && (this.#isUnauthorized || this.#areOthersServed) ? this.#reason : undefined;
  }

  /** How many more of its calls may be in flight, as far as its breaker is concerned. */
  #room(): number {
    switch (this.#breaker) {
      case 'open':
        return 0;
      case 'half_open':
        return this.#probe === undefined ? 1 : 0;
      case 'closed':
        return Number.POSITIVE_INFINITY;
    }
  }
}
