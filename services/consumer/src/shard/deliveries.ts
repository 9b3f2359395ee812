import { AckGates, type Gate, type Held } from '../delivery/ack-gates.ts';
import { PrefetchTuner } from '../delivery/prefetch.ts';
import type { ShardEffect } from './protocol.ts';

/**
 * A shard's side of its channel: which one is current, what was delivered on it and is not acked, and how much may be.
 *
 *   closed ──open──▶ opening ──opened──▶ open ──lost, end──▶ closed
 *
 * Whatever an older channel brings is dropped by its generation (invariant 5).
 */
type State =
  | { readonly mode: 'closed' }
  | { readonly mode: 'opening'; readonly generation: number }
  | { readonly mode: 'open'; readonly generation: number; readonly sinceMs: number };

export interface DeliveryLimits {
  readonly flushEvents: number;
  readonly flushIntervalMs: number;
  /** How long the broker may keep a message from everyone, because the consumer that has it is gone and it has not noticed. */
  readonly strandedMs: number;
  /** What the prefetch begins with; absent: 4,000 (invariant 9). */
  readonly prefetchMin?: number;
}

export class ShardDeliveries {
  readonly #strandedMs: number;
  readonly #gates = new AckGates();
  readonly #prefetch: PrefetchTuner;
  #state: State = { mode: 'closed' };
  #generation = 0;

  constructor(limits: DeliveryLimits) {
    this.#strandedMs = limits.strandedMs;
    this.#prefetch = new PrefetchTuner(limits.flushIntervalMs, limits.flushEvents, limits.prefetchMin);
  }

  /** Deliveries that are not acked yet. */
  get held(): number {
    return this.#gates.size;
  }

  get prefetch(): number {
    return this.#prefetch.current;
  }

  /** The other half of the prefetch has to be free for what comes while a set is in flight (invariant 9). */
  get isHalfFull(): boolean {
    return this.#gates.size * 2 >= this.#prefetch.current;
  }

  isCurrent(generation: number): boolean {
    return this.#state.mode === 'open' && this.#state.generation === generation;
  }

  /**
   * Messages come in the order of the queue, but for those that the broker keeps for a consumer that is gone: they come
   * back to the front when it notices. Only what was delivered after that proves that nothing older is outstanding.
   */
  isInOrder(deliveredAtMs: number): boolean {
    return this.#state.mode === 'open' && deliveredAtMs >= this.#state.sinceMs + this.#strandedMs;
  }

  open(): ShardEffect {
    this.#generation++;
    this.#state = { mode: 'opening', generation: this.#generation };
    return { type: 'open_channel', generation: this.#generation, prefetch: this.#prefetch.current };
  }

  opened(generation: number, nowMs: number): void {
    if (this.#state.mode !== 'opening' || this.#state.generation !== generation) return;
    this.#state = { mode: 'open', generation, sinceMs: nowMs };
  }

  /** False when it was another one. */
  lost(generation: number): boolean {
    if (this.#state.mode === 'closed' || this.#state.generation !== generation) return false;
    this.#forget();
    return true;
  }

  deliver(tag: number, gate: Gate, events: number): Held {
    this.#prefetch.delivered(events);
    return this.#gates.deliver(tag, gate);
  }

  deadLettered(tag: number): void {
    this.#gates.openDeadLetter(tag);
  }

  /** Nothing new any more; what was delivered can still be acked. */
  stop(): ShardEffect | undefined {
    const state = this.#state;
    switch (state.mode) {
      case 'open':
        return { type: 'cancel_consumer', generation: state.generation };
      case 'opening':
        return this.close();
      case 'closed':
        return undefined;
    }
  }

  close(): ShardEffect | undefined {
    const state = this.#state;
    this.#forget();
    return state.mode === 'closed' ? undefined : { type: 'close_channel', generation: state.generation };
  }

  ack(settledThrough: number): ShardEffect | undefined {
    if (this.#state.mode !== 'open') return undefined;
    const tag = this.#gates.take(settledThrough);
    return tag === undefined ? undefined : { type: 'ack', generation: this.#state.generation, tag };
  }

  /** Told with every answer which set is in flight, to know how long flights last. */
  flying(pendingSet: number | undefined, nowMs: number): void {
    this.#prefetch.settle(pendingSet, nowMs);
  }

  tune(nowMs: number): ShardEffect | undefined {
    if (this.#state.mode !== 'open') return undefined;
    const prefetch = this.#prefetch.tune(nowMs);
    if (prefetch === undefined) return undefined;
    return { type: 'set_prefetch', generation: this.#state.generation, prefetch };
  }

  #forget(): void {
    this.#gates.clear();
    this.#state = { mode: 'closed' };
  }
}
