import type { MessageOrigin, UsageMessage } from '../../../../shared/event/usage-event.ts';
import type { ShardState } from '../../../../shared/journal/journal.ts';
import { ShardMemory } from '../counting/memory.ts';
import type { Call } from '../dispatch/call.ts';
import { type MeterCatalog, metersOf } from '../meters/meter-list.ts';
import { Flight } from '../sending/flight.ts';
import type { RandomSource } from '../sending/random-source.ts';
import { ArmedAccounts } from './armed-accounts.ts';
import { ShardDeliveries } from './deliveries.ts';
import { MessageCounter } from './message-counter.ts';
import type { EndReason, ShardEffect, ShardEvent } from './protocol.ts';
import { Sealing } from './sealing.ts';
import type { ShardLimits } from './shard-limits.ts';

type Life =
  | { readonly mode: 'loading' }
  | { readonly mode: 'owned' }
  | { readonly mode: 'draining'; readonly deadlineMs: number }
  | { readonly mode: 'closing'; readonly deadlineMs: number }
  | { readonly mode: 'ended'; readonly reason: EndReason };

/**
 * One shard under one lease: from the claim to the end, as a pure state machine. It has no clock, randomness or I/O:
 * time comes with each event, the random source is given.
 *
 *   loading ──loaded──▶ owned ──drain──▶ draining ──settled, or out of time──▶ closing ──calls and writes over──▶ ended
 *                         └────hand_over──────────────────────────────────────────┘
 *   any state ──lease over, stale, mismatch──▶ ended
 *
 * While owned, two things go on side by side. Deliveries (deliveries.ts): when its channel is lost, every unsealed count goes with
 * it (invariant 5). Flight (flight.ts): at most one sealed set on its way to the provider.
 *
 * It guarantees invariants 2 to 7, 9 and 10 for its shard. It ends rather than go on in doubt: whoever
 * claims the shard next finds in the journal and on the broker everything that was not settled.
 */
export class ShardCore {
  readonly memory: ShardMemory;
  readonly flight: Flight;
  readonly #limits: ShardLimits;
  readonly #deliveries: ShardDeliveries;
  readonly #counter: MessageCounter;
  readonly #sealing: Sealing;
  readonly #armed: ArmedAccounts;
  #life: Life = { mode: 'loading' };
  #deadlineMs: number;
  #catalog: MeterCatalog;
  #effects: ShardEffect[] = [];

  /** `deadlineMs`: when the lease ends unless it is renewed, monotonic. */
  constructor(limits: ShardLimits, deadlineMs: number, catalog: MeterCatalog, random: RandomSource) {
    this.#limits = limits;
    this.#deadlineMs = deadlineMs;
    this.#catalog = catalog;
    this.memory = new ShardMemory(limits);
    this.#deliveries = new ShardDeliveries(limits);
    this.flight = new Flight({ ...limits, random });
    this.#counter = new MessageCounter(this.memory, this.flight, limits.set);
    const { memory, flight } = this;
    this.#sealing = new Sealing(limits, { memory, flight, deliveries: this.#deliveries, counter: this.#counter });
    this.#armed = new ArmedAccounts(this.flight);
    this.#armed.catalogRead(catalog, undefined);
  }

  get life(): Life['mode'] {
    return this.#life.mode;
  }

  /** Deliveries that are not acked yet. */
  get held(): number {
    return this.#deliveries.held;
  }

  get prefetch(): number {
    return this.#deliveries.prefetch;
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
    return this.#armed.now(this.#catalog, this.#mayCall());
  }

  /** Calls may be there to start. */
  get hasArmed(): boolean {
    return this.#mayCall() && this.flight.calls.armed.size > 0;
  }

  /** Of `armed`, what is another number since this was last asked, or may be. */
  takeArmedChanges(nowMs: number): ReadonlyMap<string, number> {
    return this.#armed.takeChanges(this.#catalog, this.#mayCall(), nowMs);
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
        if (this.#deliveries.isCurrent(event.generation))
          this.#delivered(event.tag, event.origin, event.message, nowMs);
        return;
      case 'unreadable':
        if (this.#deliveries.isCurrent(event.generation)) this.#deliveries.deliver(event.tag, 'dead_letter', 0);
        return;
      case 'dead_letter_confirmed':
        if (this.#deliveries.isCurrent(event.generation)) this.#deliveries.deadLettered(event.tag);
        break;
      case 'catalog_read':
        this.#catalog = event.catalog;
        this.#armed.catalogRead(event.catalog, event.account);
        break;
      case 'account_changed':
        this.flight.accountChanged(event.account, event.closedFor, nowMs);
        break;
      case 'window_changed':
        this.memory.changeWindow(event.windowMs, nowMs);
        break;
      case 'lease_lost':
        this.#end('stale');
        break;
      case 'channel_opened':
        this.#deliveries.opened(event.generation, nowMs);
        break;
      case 'channel_lost':
        // Before the channel is forgotten, which tells whether its messages came in order.
        if (event.isCancelled === true && this.#mayCall() && this.#deliveries.isCurrent(event.generation))
          this.#sealing.sealEarly(this.#catalog, nowMs);
        if (this.#deliveries.lost(event.generation)) {
          const discarded = this.#counter.discard();
          if (discarded.messages > 0) this.#emit({ type: 'discarded', ...discarded });
          if (this.#life.mode === 'owned') this.#emit(this.#deliveries.open());
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

  #loaded(state: ShardState | 'stale', askedAtMs: number, nowMs: number): void {
    if (this.#life.mode !== 'loading') return;
    if (state === 'stale') {
      this.#end('stale');
      return;
    }
    this.memory.load(state);
    this.flight.load(state, askedAtMs, nowMs);
    this.#life = { mode: 'owned' };
    this.#emit(this.#deliveries.open());
  }

  #delivered(tag: number, origin: MessageOrigin, message: UsageMessage, nowMs: number): void {
    const held = this.#deliveries.deliver(tag, 'waiting', message.events.length);
    this.#counter.delivered({ held, origin, message, deliveredAtMs: nowMs }, this.#catalog);
  }

  #drain(deadlineMs: number): void {
    switch (this.#life.mode) {
      case 'owned':
        this.#emit(this.#deliveries.stop());
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
    this.#deliveries.flying(this.flight.pendingSet, nowMs);
  }

  /** What follows from the state by itself: sealing, the next write, acks, the end of a drain. */
  #advance(nowMs: number): void {
    if (this.#life.mode === 'loading' || this.#life.mode === 'ended') return;
    this.flight.tick(nowMs);
    const unknown = this.#sealing.seal(this.#life.mode, this.#catalog, nowMs);
    if (unknown !== undefined) this.#needCatalogs([unknown]);
    this.#counter.countWaiting(this.#catalog);
    if (this.#mayCall()) this.#needCatalogs(this.#armed.takeWantedMeters(this.#catalog, nowMs));
    const write = this.flight.nextWrite(nowMs, this.#mayCall());
    if (write !== undefined) this.#emit({ type: 'write', write });
    this.#emit(this.#deliveries.ack(this.flight.settledThrough));
    if (this.#life.mode === 'owned') this.#emit(this.#deliveries.tune(nowMs));
    this.#finish(nowMs);
  }

  #needCatalogs(accounts: readonly string[]): void {
    for (const account of accounts) this.#emit({ type: 'need_catalog', account });
  }

  #finish(nowMs: number): void {
    switch (this.#life.mode) {
      case 'draining': {
        const { pendingSet } = this.flight;
        const idle = pendingSet === undefined && this.memory.open.messages === 0 && this.#counter.waiting === 0;
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
    this.#emit(this.#deliveries.close());
    this.#counter.discard();
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
