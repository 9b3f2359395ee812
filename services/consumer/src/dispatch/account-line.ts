import type { BreakerState } from '../provider/breaker.ts';
import { platform } from '../provider/breakers.ts';
import type { Outcome } from '../provider/provider.ts';
import { SlotQueue } from './slot-queue.ts';

/**
 * What the dispatcher knows of one account: who has calls for it, its breaker, and, for a connected account, the slots
 * of its own rate. The platform's calls need a slot of the cluster's rate only.
 *
 * A connected account is *closed* when its breaker is not closed though the provider serves others: it was refused as
 * unauthorized, or another account's call was accepted since it began to fail.
 */
export class AccountLine<Source> {
  readonly account: string;
  #sources: Source[] = [];
  #armed = 0;
  #breaker: BreakerState = 'closed';
  /** The one call of a half-open breaker. */
  #probe: object | undefined;
  #inFlight = 0;
  readonly #slots = new SlotQueue();
  #isAsking = false;
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

  /** Its breaker lets every call through. */
  get isWell(): boolean {
    return this.#breaker === 'closed';
  }

  /** Its breaker lets no call through. */
  get isOpen(): boolean {
    return this.#breaker === 'open';
  }

  /** Why it is closed to calls; undefined: it is not. */
  get closedFor(): string | undefined {
    return this.#closedFor;
  }

  /** Its latest call was refused for the credential. */
  get isUnauthorized(): boolean {
    return this.#isUnauthorized;
  }

  /** There is nothing to remember about it. */
  get isIdle(): boolean {
    return (
      this.#armed === 0 &&
      this.#inFlight === 0 &&
      this.isWell &&
      !this.#isUnauthorized &&
      !this.#isAsking &&
      this.#slots.size === 0
    );
  }

  begin(): void {
    this.#sources = [];
    this.#armed = 0;
  }

  offer(source: Source, armed: number): void {
    this.#sources.push(source);
    this.#armed += armed;
  }

  withdraw(source: Source): void {
    this.#sources = this.#sources.filter((other) => other !== source);
    if (this.#sources.length === 0) this.#armed = 0;
  }

  /** Whose turn it is first. */
  get sources(): readonly Source[] {
    return this.#sources;
  }

  toTheEnd(source: Source): void {
    this.#sources = [...this.#sources.filter((other) => other !== source), source];
  }

  mayStart(nowMs: number): boolean {
    return this.#armed > 0 && this.#room() > 0 && (this.account === platform || this.#slots.isDue(nowMs));
  }

  /** Calls that only want a slot of the cluster's rate. */
  startable(nowMs: number): number {
    const ready = Math.min(this.#armed, this.#room());
    if (this.account === platform || ready === 0) return ready;
    // Slots come in order: once the first one is due those behind it soon are.
    return this.#slots.isDue(nowMs) ? Math.min(ready, this.#slots.size) : 0;
  }

  /** How many slots of its own rate to ask for now. */
  ask(nowMs: number, most: number): number {
    if (this.account === platform || this.#isAsking || nowMs < this.#askAgainAtMs) return 0;
    const count = Math.min(this.#armed, this.#room(), most) - this.#slots.size;
    if (count <= 0) return 0;
    this.#isAsking = true;
    return count;
  }

  /** When its own slots are due or may be asked for. One that is due waits for a slot of the cluster's rate. */
  nextTimes(nowMs: number): number[] {
    if (this.account === platform || this.#armed === 0 || this.#room() === 0) return [];
    const slotAtMs = this.#slots.firstAtMs();
    if (slotAtMs !== undefined) return slotAtMs > nowMs ? [slotAtMs] : [];
    return this.#isAsking ? [] : [this.#askAgainAtMs];
  }

  slotsGranted(slotsAtMs: readonly number[], toleranceMs: number, askAgainAtMs: number): void {
    this.#isAsking = false;
    this.#askAgainAtMs = askAgainAtMs;
    for (const atMs of slotsAtMs) this.#slots.add({ fromMs: atMs, untilMs: atMs + toleranceMs });
  }

  started(call: object): void {
    this.#armed--;
    this.#inFlight++;
    if (this.account !== platform) this.#slots.use();
    if (this.#breaker === 'half_open') this.#probe = call;
  }

  callEnded(call: object, outcome: Outcome): void {
    this.#inFlight--;
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
