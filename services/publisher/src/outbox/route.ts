import type { Detour } from './outage-log.ts';
import type { TurnedAwayReason } from './outbox-event.ts';
import { Wire } from './wire.ts';

type Link = { readonly kind: 'away' } | { readonly kind: 'connected'; readonly generation: number };

type SpoolRoom = { readonly kind: 'none' } | { readonly kind: 'there'; readonly roomBytes: number | undefined };

/**
 * Which way messages go now: to the broker while it is connected, reads and answers; else to the spool, if it has room. Without
 * room a broker that is slow, or has stopped reading, is waited for.
 */
export class Route {
  readonly wire: Wire;
  #link: Link = { kind: 'away' };
  #spool: SpoolRoom = { kind: 'none' };
  #blocked = false;

  constructor(slowMs: number) {
    this.wire = new Wire(slowMs);
  }

  /** Of the connection; undefined while there is none. */
  get generation(): number | undefined {
    return this.#link.kind === 'connected' ? this.#link.generation : undefined;
  }

  get now(): 'broker' | 'spool' | 'none' {
    if (this.#link.kind === 'connected' && !(this.canSpool && (this.#blocked || this.wire.isSlow))) return 'broker';
    return this.canSpool ? 'spool' : 'none';
  }

  /** Why messages go to the spool; `unwanted`: only those that the broker gave back. */
  get detour(): Detour {
    if (this.#link.kind === 'away') return 'away';
    if (this.#blocked) return 'alarm';
    return this.wire.isSlow ? 'slow' : 'unwanted';
  }

  /** There is a connection, and the broker reads what is published on it. */
  get isConnected(): boolean {
    return this.#link.kind === 'connected' && !this.#blocked;
  }

  /** The broker answers as well: it may be given what is in the spool. */
  get mayReplay(): boolean {
    return this.isConnected && !this.wire.isSlow;
  }

  get hasSpool(): boolean {
    return this.#spool.kind === 'there';
  }

  get canSpool(): boolean {
    return this.roomBytes > 0;
  }

  get roomBytes(): number {
    return this.#spool.kind === 'there' ? (this.#spool.roomBytes ?? 0) : 0;
  }

  /** Why there is no way for a new message. */
  get obstacle(): Exclude<TurnedAwayReason, 'overloaded'> | undefined {
    const way = this.now;
    if (way === 'spool' || (way === 'broker' && !this.#blocked)) return undefined;
    if (this.#spool.kind === 'none') return 'broker_unavailable';
    return this.#spool.roomBytes === undefined ? 'spool_unavailable' : 'spool_full';
  }

  isCurrent(generation: number): boolean {
    return this.#link.kind === 'connected' && this.#link.generation === generation;
  }

  connected(generation: number): void {
    this.#link = { kind: 'connected', generation };
    this.#blocked = false;
  }

  lost(): void {
    this.#link = { kind: 'away' };
    this.wire.clear();
  }

  blocked(blocked: boolean): void {
    this.#blocked = blocked;
  }

  spool(roomBytes: number | undefined): void {
    this.#spool = { kind: 'there', roomBytes };
  }
}
