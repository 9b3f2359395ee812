import { slotCount } from '../../../../shared/event/lane.ts';
import { encodeMessage } from '../../../../shared/event/message.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import { Fifo } from './fifo.ts';
import type { OutboxLimits } from './limits.ts';
import type { OutboxEffect, OutboxEvent, OutboxIdentity, Outgoing, TurnedAwayReason } from './outbox-event.ts';
import { type Batch, type PackedEvent, Packing, type Ticket } from './packing.ts';

export type * from './outbox-event.ts';

type Link = { readonly kind: 'away' } | { readonly kind: 'connected'; readonly generation: number };

interface Unconfirmed {
  readonly origin: MessageOrigin;
  readonly body: Buffer;
  readonly batch: Batch;
  readonly events: number;
  /** The generation it was last taken on; undefined while it waits to be taken again. */
  sentOn: number | undefined;
  returned: boolean;
}

const nothing: readonly OutboxEffect[] = [];

/**
 * The outbox, from an accepted event to the broker's confirm: a pure core without clock, timers, randomness or I/O.
 *
 *   submitted ──▶ open batch ──linger over, or full──▶ ready ──take()──▶ unconfirmed ──confirmed──▶ gone, answered
 *                                                                        │    ▲
 *                                     connection lost, returned, refused │    │ take() again: same sequence, same bytes
 *                                                                        ▼    │
 *                                                                       resend / after a pause
 *
 * Everything has at most `expiryMs` from its first event on; then it is dropped, wherever it is, and its requests are told.
 *
 * Guarantees: a request is told `durable` once every message that holds an event of it is confirmed, and never before;
 * each request gets exactly one effect. A sequence number is given at the first `take()`, together with the bytes, and both
 * stay what they are for as long as the process lives. A message that was returned is not confirmed, although the broker
 * confirms it too. Nothing is published on a generation other than the current one, and no confirm of another counts.
 * Refuses new requests while the broker is away, and while more than `heldBytesMax` waits.
 *
 * Publishing is pulled: the shell calls `take()` as long as the channel takes more, so that one which does not read is not
 * fed without bound.
 */
export class OutboxCore {
  readonly #identity: OutboxIdentity;
  readonly #limits: OutboxLimits;
  readonly #packing: Packing;
  readonly #lastSequence: number[] = new Array<number>(slotCount).fill(0);
  /** In the order of their first publish. */
  readonly #unconfirmed = new Map<number, Unconfirmed>();
  readonly #resend = new Fifo<Unconfirmed>();
  /** Failed while the connection was fine. They wait together: what fails one usually fails all. */
  #paused: Unconfirmed[] = [];
  #pausedUntilMs = Infinity;
  #failedRounds = 0;
  #link: Link = { kind: 'away' };
  #blocked = false;
  #heldBytes = 0;
  #expiryCheckMs = Infinity;
  #effects: OutboxEffect[] = [];

  constructor(identity: OutboxIdentity, limits: OutboxLimits) {
    this.#identity = identity;
    this.#limits = limits;
    const empty = encodeMessage({ receivedAt: 1e10 + 0.123, source: identity.source, region: identity.region }, []);
    this.#packing = new Packing(limits, empty.byteLength);
  }

  get unconfirmedMessages(): number {
    return this.#unconfirmed.size;
  }

  /** Accepted and not yet confirmed or dropped, with the overhead that each event is charged. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Why a request would be turned away now, whatever its size. */
  get turnsAway(): TurnedAwayReason | undefined {
    if (this.#link.kind === 'away' || this.#blocked) return 'broker_unavailable';
    return this.#heldBytes >= this.#limits.heldBytesMax ? 'overloaded' : undefined;
  }

  /** When `ticked` is due, on the clock of `nowMs`; infinity if nothing waits for a time. */
  get wakeAtMs(): number {
    return Math.min(this.#packing.lingerUntilMs, this.#pausedUntilMs, this.#expiryCheckMs);
  }

  /** `nowMs` is monotonic; where it begins does not matter. */
  step(event: OutboxEvent, nowMs: number): readonly OutboxEffect[] {
    switch (event.kind) {
      case 'submitted':
        this.#submit(event.request, event.events, event.receivedAtMs, nowMs);
        break;
      case 'connected':
        this.#connected(event.generation);
        break;
      case 'lost':
        if (this.#isCurrent(event.generation)) this.#link = { kind: 'away' };
        break;
      case 'blocked':
        this.#blocked = event.blocked;
        break;
      case 'confirmed':
      case 'refused':
      case 'returned':
        this.#told(event.kind, event.generation, keyOf(event.slot, event.sequence), nowMs);
        break;
      case 'ticked':
        this.#packing.flush(nowMs);
        this.#endPause(nowMs);
        this.#expire(nowMs);
        break;
    }
    if (this.#effects.length === 0) return nothing;
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** The next message to publish, on the current generation; undefined if there is none, or no connection. */
  take(nowMs: number): Outgoing | undefined {
    if (this.#link.kind === 'away') return undefined;
    const { generation } = this.#link;
    for (let again = this.#resend.shift(); again !== undefined; again = this.#resend.shift()) {
      // Dropped meanwhile, or about to be.
      if (
        !this.#unconfirmed.has(keyOf(again.origin.slot, again.origin.sequence)) ||
        this.#isExpired(again.batch, nowMs)
      )
        continue;
      again.sentOn = generation;
      return { origin: again.origin, body: again.body, events: again.events, again: true };
    }
    const next = this.#packing.peek();
    // What is too old is left to the expiry, which is due: it must not be published after its requests are told.
    if (next === undefined || this.#isExpired(next, nowMs)) return undefined;
    this.#packing.take();
    return this.#publishFirst(next, generation);
  }

  #submit(request: number, events: readonly PackedEvent[], receivedAtMs: number, nowMs: number): void {
    let bytes = 0;
    for (const event of events) bytes += event.bytes + this.#limits.eventOverheadBytes;
    // A request is taken by an empty outbox however large it is: it would never be taken otherwise.
    const overloaded = this.#heldBytes > 0 && this.#heldBytes + bytes > this.#limits.heldBytesMax;
    const reason = this.turnsAway ?? (overloaded ? 'overloaded' : undefined);
    if (reason !== undefined) {
      this.#effects.push({ kind: 'turned_away', request, reason });
      return;
    }
    const ticket: Ticket = { request, outstanding: 0, answered: false };
    const lingerMs = this.#lingerMs();
    for (const event of events) this.#packing.add(event, ticket, nowMs, receivedAtMs, lingerMs);
    this.#heldBytes += bytes;
    if (this.#expiryCheckMs === Infinity) this.#expiryCheckMs = nowMs + this.#limits.expiryMs;
  }

  #lingerMs(): number {
    const { lingerMinMs, lingerMaxMs, lingerFullAt } = this.#limits;
    const load = (this.#unconfirmed.size + this.#packing.readyCount) / lingerFullAt;
    return lingerMinMs + (lingerMaxMs - lingerMinMs) * Math.min(1, load);
  }

  #publishFirst(batch: Batch, generation: number): Outgoing {
    const { slot } = batch;
    const sequence = (this.#lastSequence[slot] ?? 0) + 1;
    this.#lastSequence[slot] = sequence;
    const { producer, source, region } = this.#identity;
    const body = encodeMessage({ receivedAt: batch.receivedAtMs / 1000, source, region }, batch.texts);
    const origin = { producer, slot, sequence };
    const events = batch.texts.length;
    batch.texts.length = 0;
    this.#unconfirmed.set(keyOf(slot, sequence), { origin, body, batch, events, sentOn: generation, returned: false });
    return { origin, body, events, again: false };
  }

  #connected(generation: number): void {
    if (this.#link.kind === 'connected' && generation <= this.#link.generation) return;
    this.#link = { kind: 'connected', generation };
    this.#blocked = false;
    this.#resend.clear();
    this.#paused = [];
    this.#pausedUntilMs = Infinity;
    for (const message of this.#unconfirmed.values()) {
      // A return of the old connection says nothing about the next publish.
      message.returned = false;
      this.#resend.push(message);
    }
  }

  #told(verdict: 'confirmed' | 'refused' | 'returned', generation: number, key: number, nowMs: number): void {
    const message = this.#unconfirmed.get(key);
    // Unknown: dropped as expired. Sent on another generation: said on a channel that is gone.
    if (message === undefined || !this.#isCurrent(generation) || message.sentOn !== generation) return;
    if (verdict === 'returned') {
      message.returned = true;
    } else if (verdict === 'confirmed' && !message.returned) {
      this.#failedRounds = 0;
      this.#forget(key, message, 'durable');
    } else {
      message.sentOn = undefined;
      message.returned = false;
      this.#pause(message, nowMs);
    }
  }

  #pause(message: Unconfirmed, nowMs: number): void {
    if (this.#paused.length === 0) {
      const { baseMs, maxMs } = this.#limits.retry;
      this.#pausedUntilMs = nowMs + Math.min(maxMs, baseMs * 2 ** Math.min(this.#failedRounds, 30));
      this.#failedRounds++;
    }
    this.#paused.push(message);
  }

  #endPause(nowMs: number): void {
    if (nowMs < this.#pausedUntilMs) return;
    for (const message of this.#paused) this.#resend.push(message);
    this.#paused = [];
    this.#pausedUntilMs = Infinity;
  }

  /** Drops what is too old. Both queues are in order, give or take one linger, so the first young one ends the search. */
  #expire(nowMs: number): void {
    if (nowMs < this.#expiryCheckMs) return;
    let oldestMs = Infinity;
    for (const [key, message] of this.#unconfirmed) {
      if (!this.#isExpired(message.batch, nowMs)) {
        oldestMs = message.batch.firstMs;
        break;
      }
      this.#forget(key, message, 'expired');
    }
    for (let batch = this.#packing.peek(); batch !== undefined; batch = this.#packing.peek()) {
      if (!this.#isExpired(batch, nowMs)) {
        oldestMs = Math.min(oldestMs, batch.firstMs);
        break;
      }
      this.#packing.take();
      this.#settle(batch, 'expired');
    }
    // Open batches are younger than a linger; whatever is held now is looked at again in time.
    if (oldestMs === Infinity && this.#heldBytes > 0) oldestMs = nowMs;
    this.#expiryCheckMs = oldestMs + this.#limits.expiryMs;
  }

  #isExpired(batch: Batch, nowMs: number): boolean {
    return nowMs >= batch.firstMs + this.#limits.expiryMs;
  }

  #forget(key: number, message: Unconfirmed, outcome: 'durable' | 'expired'): void {
    this.#unconfirmed.delete(key);
    this.#settle(message.batch, outcome);
  }

  #settle(batch: Batch, outcome: 'durable' | 'expired'): void {
    this.#heldBytes -= batch.heldBytes;
    for (const ticket of batch.tickets) {
      ticket.outstanding--;
      if (ticket.outstanding < 0)
        throw new Error(`Request ${ticket.request} was settled more often than it had messages.`);
      if (ticket.answered || (outcome === 'durable' && ticket.outstanding > 0)) continue;
      ticket.answered = true;
      this.#effects.push({ kind: outcome, request: ticket.request });
    }
  }

  #isCurrent(generation: number): boolean {
    return this.#link.kind === 'connected' && this.#link.generation === generation;
  }
}

/** One number for slot and sequence: a Map finds it faster than a string. */
function keyOf(slot: number, sequence: number): number {
  return sequence * slotCount + slot;
}
