import type { MessageOrigin, UsageMessage } from '../../../../shared/event/usage-event.ts';
import type { ShardState } from '../../../../shared/journal/journal.ts';
import type { Call } from '../dispatch/call.ts';
import { Flight } from './flight.ts';
import type { Held } from './ack-gates.ts';
import type { DriveLimits } from './drive-limits.ts';
import { type IntakeLimits, ShardIntake } from './intake.ts';
import { ShardMemory } from './memory.ts';
import { listWaitMs, type Unsure, unsureMeters, withKnownMeters } from './meter-knowledge.ts';
import { type MeterCatalog, metersOf, type SetBounds, setBounds } from './open-set.ts';
import type { EndReason, RandomSource, ShardEffect, ShardEvent } from './protocol.ts';

/**
 * One shard under one lease: from the claim to the end, as a pure state machine. It has no clock, randomness or I/O:
 * time comes with each event, the random source is given.
 *
 *   loading ──loaded──▶ owned ──drain──▶ draining ──settled, or out of time──▶ closing ──calls and writes over──▶ ended
 *                         └────hand_over──────────────────────────────────────────┘
 *   any state ──lease over, stale, mismatch──▶ ended
 *
 * While owned, two things go on side by side. Intake (intake.ts): when its channel is lost, every unsealed count goes with
 * it (invariant 5). Flight (flight.ts): at most one sealed set on its way to the provider.
 *
 * It guarantees invariants 2 to 7, 9 and 10 of the design for its shard. It ends rather than go on in doubt: whoever
 * claims the shard next finds in the journal and on the broker everything that was not settled.
 */
export interface ShardLimits extends IntakeLimits {
  readonly shard: number;
  readonly incarnation: string;
  readonly windowMs: number;
  /** The longest window there may be; absent: they have one length. */
  readonly windowMaxMs?: number;
  /** So many entries of a set that are dead from the start are kept apart; absent: a thousand. */
  readonly refusedApartMax?: number;
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  /** How long the cursors of a producer outlive it; absent: 40 days. */
  readonly cursorLifeMs?: number;
  /** A call's longest duration: none starts when the lease may end before it. */
  readonly callTimeoutMs: number;
  readonly drive: DriveLimits;
  readonly set?: SetBounds;
}

/** A message that was delivered while the open set was full. It is counted into the next one, in its turn. */
interface WaitingMessage {
  readonly held: Held;
  readonly origin: MessageOrigin;
  readonly message: UsageMessage;
  readonly deliveredAtMs: number;
}

/** Of the waiting ones, in one step: others wait for the event loop. */
const eventsPerStep = 20_000;

const nothingArmed: ReadonlyMap<string, number> = new Map();
const askAgainMs = 1_000;
const noAnswer = 'its meters cannot be read: no answer so far';

type Life =
  | { readonly mode: 'loading' }
  | { readonly mode: 'owned' }
  | { readonly mode: 'draining'; readonly deadlineMs: number }
  | { readonly mode: 'closing'; readonly deadlineMs: number }
  | { readonly mode: 'ended'; readonly reason: EndReason };

export class ShardCore {
  readonly memory: ShardMemory;
  readonly flight: Flight;
  readonly #limits: ShardLimits;
  readonly #intake: ShardIntake;
  #life: Life = { mode: 'loading' };
  #deadlineMs: number;
  #catalog: MeterCatalog;
  #sealDueSinceMs: number | undefined;
  /** Accounts that have calls and no list of meters, since when. */
  readonly #listless = new Map<string, number>();
  #askAgainAtMs = Number.NEGATIVE_INFINITY;
  /** Accounts whose number of calls that could start may be another one since `takeArmedChanges`. */
  readonly #armedChanged = new Set<string>();
  #couldCall = false;
  #waiting: WaitingMessage[] = [];
  #effects: ShardEffect[] = [];

  /** `deadlineMs`: when the lease ends unless it is renewed, monotonic. */
  constructor(limits: ShardLimits, deadlineMs: number, catalog: MeterCatalog, random: RandomSource) {
    this.#limits = limits;
    this.#deadlineMs = deadlineMs;
    this.#catalog = catalog;
    this.memory = new ShardMemory(limits);
    this.#intake = new ShardIntake(limits);
    this.flight = new Flight({ ...limits, random });
    this.#catalogRead(undefined);
  }

  get life(): Life['mode'] {
    return this.#life.mode;
  }

  /** Deliveries that are not acked yet. */
  get held(): number {
    return this.#intake.held;
  }

  get prefetch(): number {
    return this.#intake.prefetch;
  }

  start(): ShardEffect[] {
    return [{ type: 'load' }];
  }

  step(event: ShardEvent, nowMs: number): readonly ShardEffect[] {
    if (this.#life.mode === 'ended') return [];
    if (event.type === 'lease_renewed') {
      // A renewal that arrives after the deadline proves nothing: in between, nobody may have been watching.
      if (nowMs < this.#deadlineMs) this.#deadlineMs = event.deadlineMs;
      this.flight.clock.observe(event.redisMs, nowMs);
      this.flight.replaysWait(event.replays ?? 0);
    }
    if (nowMs >= this.#deadlineMs) this.#end('lease_expired');
    else this.#handle(event, nowMs);
    return this.#takeEffects();
  }

  /** Calls that could start now, by account; the platform's own has no name. */
  get armed(): ReadonlyMap<string, number> {
    if (!this.#mayCall()) return nothingArmed;
    return withKnownMeters(this.flight.calls.armed, this.#catalog);
  }

  /** Calls may be there to start. */
  get hasArmed(): boolean {
    return this.#mayCall() && this.flight.calls.armed.size > 0;
  }

  /** Of `armed`, what is another number since this was last asked, or may be. */
  takeArmedChanges(nowMs: number): ReadonlyMap<string, number> {
    this.#noteArmed(nowMs);
    if (this.#mayCall() !== this.#couldCall) {
      this.#couldCall = this.#mayCall();
      for (const account of this.flight.calls.armed.keys()) this.#armedChanged.add(account);
    }
    if (this.#armedChanged.size === 0) return nothingArmed;
    const changes = new Map<string, number>();
    const { armed } = this.flight.calls;
    for (const account of this.#armedChanged) {
      const isCallable = this.#couldCall && metersOf(this.#catalog, account) !== undefined;
      changes.set(account, isCallable ? (armed.get(account) ?? 0) : 0);
    }
    this.#armedChanged.clear();
    return changes;
  }

  /**
   * The account's next call; the caller must start it in this very tick. Undefined when none may start; with `onlyFresh` also
   * when there are only entries that were deferred because they fail.
   */
  takeCall(nowMs: number, account = '', onlyFresh = false): Call | undefined {
    const meters = metersOf(this.#catalog, account);
    if (meters === undefined) return undefined;
    if (!this.#mayCall() || this.#deadlineMs - nowMs <= this.#limits.callTimeoutMs) return undefined;
    return this.flight.calls.take(nowMs, account, meters, onlyFresh);
  }

  #mayCall(): boolean {
    return this.#life.mode === 'owned' || this.#life.mode === 'draining';
  }

  #handle(event: ShardEvent, nowMs: number): void {
    switch (event.type) {
      case 'loaded':
        this.#loaded(event.state, event.askedAtMs, nowMs);
        break;
      case 'delivered':
        // The hot path: nothing but counting; sealing and writing wait for the next tick.
        if (this.#intake.isCurrent(event.generation)) this.#delivered(event.tag, event.origin, event.message, nowMs);
        return;
      case 'unreadable':
        if (this.#intake.isCurrent(event.generation)) this.#intake.deliver(event.tag, 'dead_letter', 0);
        return;
      case 'dead_letter_confirmed':
        if (this.#intake.isCurrent(event.generation)) this.#intake.deadLettered(event.tag);
        break;
      case 'catalog_read':
        this.#catalog = event.catalog;
        this.#catalogRead(event.account);
        break;
      case 'account_changed':
        this.flight.accountChanged(event.account, event.closedFor);
        break;
      case 'window_changed':
        this.memory.changeWindow(event.windowMs, nowMs);
        break;
      case 'lease_lost':
        this.#end('stale');
        break;
      case 'channel_opened':
        this.#intake.opened(event.generation, nowMs);
        break;
      case 'channel_lost':
        if (this.#intake.lost(event.generation)) {
          this.#waiting = [];
          this.memory.discardOpen(this.flight.next);
          if (this.#life.mode === 'owned') this.#emit(this.#intake.open());
        }
        break;
      case 'written':
        this.#written(this.flight.written(event.answer, nowMs), nowMs);
        break;
      case 'hand_over':
        this.#close(nowMs);
        break;
      case 'drain':
        this.#drain(event.deadlineMs);
        break;
      case 'ticked':
      case 'lease_renewed':
        break;
    }
    this.#advance(nowMs);
  }

  #catalogRead(account: string | undefined): void {
    const { connected } = this.#catalog;
    for (const name of account === undefined ? (connected?.keys() ?? []) : [account]) {
      const of = connected?.get(name);
      if (of === undefined) continue;
      if (of.meters !== undefined) this.#listless.delete(name);
      this.flight.drive.accounts.unlisted(name, of.meters === undefined ? of.unreadable : undefined);
      this.#armedChanged.add(name);
    }
  }

  #loaded(state: ShardState | 'stale', askedAtMs: number, nowMs: number): void {
    if (this.#life.mode !== 'loading') return;
    if (state === 'stale') {
      this.#end('stale');
      return;
    }
    this.memory.load(state);
    this.flight.load(state, askedAtMs, nowMs);
    this.#life = { mode: 'owned' };
    this.#emit(this.#intake.open());
  }

  #delivered(tag: number, origin: MessageOrigin, message: UsageMessage, nowMs: number): void {
    const held = this.#intake.deliver(tag, 'waiting', message.events.length);
    const delivered = { held, origin, message, deliveredAtMs: nowMs };
    // In the order of delivery, always: what is older than the oldest of a set must not come after it (invariant 4).
    if (this.#waiting.length > 0 || this.#isFull) this.#waiting.push(delivered);
    else this.#count(delivered);
  }

  get #isFull(): boolean {
    return this.memory.open.isFull(this.#limits.set ?? setBounds);
  }

  #count({ held, origin, message, deliveredAtMs }: WaitingMessage): void {
    switch (this.memory.cursors.find(origin)) {
      case 'open':
        held.gate = this.flight.next;
        break;
      case 'sealed':
        // The set that covers it may be the one in flight, so custody stays with the broker until that settles.
        held.gate = this.flight.pendingSet ?? 'none';
        break;
      case 'new': {
        held.gate = this.flight.next;
        const acceptedAtMs = Math.min(message.receivedAt * 1000, this.flight.clock.at(deliveredAtMs));
        this.memory.count(origin, message.events, this.flight.next, acceptedAtMs, this.#catalog, deliveredAtMs);
        break;
      }
    }
  }

  #countWaiting(): void {
    let counted = 0;
    let events = 0;
    for (const waiting of this.#waiting) {
      if (events >= eventsPerStep || this.#isFull) break;
      this.#count(waiting);
      counted++;
      events += waiting.message.events.length;
    }
    if (counted > 0) this.#waiting = this.#waiting.slice(counted);
  }

  #drain(deadlineMs: number): void {
    switch (this.#life.mode) {
      case 'owned':
        this.#emit(this.#intake.stop());
        this.#life = { mode: 'draining', deadlineMs };
        break;
      case 'draining':
        this.#life = { mode: 'draining', deadlineMs: Math.min(deadlineMs, this.#life.deadlineMs) };
        break;
      case 'loading':
        this.#end('released');
        break;
      case 'closing':
      case 'ended':
        break;
    }
  }

  /** No new calls; what is under way may finish, then the channel closes. */
  #close(nowMs: number): void {
    if (this.#life.mode === 'loading') this.#end('released');
    else if (this.#mayCall()) this.#life = { mode: 'closing', deadlineMs: nowMs + this.#limits.callTimeoutMs };
  }

  #written(result: 'ok' | 'repeat' | 'stale' | 'refused' | 'mismatch', nowMs: number): void {
    switch (result) {
      case 'ok': {
        const settled = this.flight.takeSettled();
        if (settled !== undefined) this.memory.settled(settled.set, settled.redisMs);
        const forgotten = this.flight.takeForgottenIdSets();
        if (forgotten !== undefined) this.memory.forgetIdSets(forgotten);
        break;
      }
      case 'repeat':
        break;
      case 'stale':
      case 'refused':
      case 'mismatch':
        this.#end(result);
        break;
    }
    this.#intake.flying(this.flight.pendingSet, nowMs);
  }

  /** What follows from the state by itself: sealing, the next write, acks, the end of a drain. */
  #advance(nowMs: number): void {
    if (this.#life.mode === 'loading' || this.#life.mode === 'ended') return;
    this.flight.tick(nowMs);
    if (!this.#sealIsDue(nowMs)) {
      this.#sealDueSinceMs = undefined;
    } else {
      this.#sealDueSinceMs ??= nowMs;
      const unsure = this.#unsureMeters(this.#sealDueSinceMs, nowMs);
      if (unsure !== undefined) {
        const isInOrder = this.#intake.isInOrder(this.memory.open.heldSinceMs);
        this.flight.seal(this.memory, this.#catalog, isInOrder, nowMs, unsure);
      }
    }
    this.#countWaiting();
    if (this.#mayCall()) this.#askForMeters(nowMs);
    const write = this.flight.nextWrite(nowMs, this.#mayCall());
    if (write !== undefined) this.#emit({ type: 'write', write });
    this.#emit(this.#intake.ack(this.flight.settledThrough));
    if (this.#life.mode === 'owned') this.#emit(this.#intake.tune(nowMs));
    this.#finish(nowMs);
  }

  #sealIsDue(nowMs: number): boolean {
    const { open } = this.memory;
    if (this.flight.pendingSet !== undefined || open.messages === 0) return false;
    switch (this.#life.mode) {
      case 'draining':
        return true;
      case 'owned':
        return (
          open.events >= this.#limits.flushEvents ||
          this.#isFull ||
          nowMs - open.heldSinceMs >= this.#limits.flushIntervalMs ||
          this.#intake.isHalfFull
        );
      case 'loading':
      case 'closing':
      case 'ended':
        return false;
    }
  }

  /**
   * How events merge depends on their meter's formula, so a set with a meter that is not known waits for a newer catalog, as long
   * as one may come; undefined: it waits.
   */
  #unsureMeters(dueSinceMs: number, nowMs: number): Unsure | undefined {
    const room = this.flight.drive.deferred.roomForClosed;
    const unsure = unsureMeters(this.memory.open.unknownMeters, this.#catalog, dueSinceMs, room, nowMs);
    if (typeof unsure !== 'string') return unsure;
    this.#emit({ type: 'need_catalog', account: unsure });
    return undefined;
  }

  /** Before anything of an account is called its meters are known; one that was taken over has to be asked for. */
  #askForMeters(nowMs: number): void {
    for (const account of this.flight.calls.takeWantedMeters()) this.#emit({ type: 'need_catalog', account });
    const known = this.#listless.size;
    this.#noteArmed(nowMs);
    if (this.#listless.size === 0 || (nowMs < this.#askAgainAtMs && this.#listless.size === known)) return;
    this.#askAgainAtMs = nowMs + askAgainMs;
    for (const [account, sinceMs] of this.#listless) {
      this.#emit({ type: 'need_catalog', account });
      if (nowMs - sinceMs >= listWaitMs) this.flight.drive.accounts.unlisted(account, noAnswer);
    }
  }

  #noteArmed(nowMs: number): void {
    for (const account of this.flight.drive.lanes.takeChanged()) {
      this.#armedChanged.add(account);
      const isArmed = this.flight.calls.armed.has(account);
      if (!isArmed) this.#listless.delete(account);
      else if (metersOf(this.#catalog, account) === undefined && !this.#listless.has(account))
        this.#listless.set(account, nowMs);
    }
  }

  #finish(nowMs: number): void {
    switch (this.#life.mode) {
      case 'draining': {
        const { pendingSet } = this.flight;
        const idle = pendingSet === undefined && this.memory.open.messages === 0 && this.#waiting.length === 0;
        if (idle || nowMs >= this.#life.deadlineMs) this.#close(nowMs);
        break;
      }
      case 'closing':
        break;
      case 'loading':
      case 'owned':
      case 'ended':
        return;
    }
    if (this.#life.mode === 'closing' && (this.flight.isQuiet || nowMs >= this.#life.deadlineMs)) this.#end('released');
  }

  #end(reason: EndReason): void {
    this.#emit(this.#intake.close());
    this.#waiting = [];
    this.memory.discardOpen(this.flight.next);
    this.#life = { mode: 'ended', reason };
    this.#emit({ type: 'ended', reason });
  }

  #emit(effect: ShardEffect | undefined): void {
    if (effect !== undefined) this.#effects.push(effect);
  }

  #takeEffects(): readonly ShardEffect[] {
    const effects = this.#effects;
    if (effects.length > 0) this.#effects = [];
    return effects;
  }
}
