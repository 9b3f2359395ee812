import { slotCount } from '../../../../shared/event/lane.ts';
import { encodeMessage } from '../../../../shared/event/message.ts';
import type { OutboxLimits } from './limits.ts';
import type { Detour } from './outage-log.ts';
import type { OutboxEffect, OutboxEvent, OutboxIdentity, Outgoing, TurnedAwayReason } from './outbox-event.ts';
import { type Batch, type PackedEvent, Packing, type Ticket } from './packing.ts';
import { Route } from './route.ts';
import { type Message, Unconfirmed } from './unconfirmed.ts';
import { keyOf } from './wire.ts';

export type * from './outbox-event.ts';

const nothing: readonly OutboxEffect[] = [];

/**
 * The outbox, from an accepted event to the broker's confirm or the spool's: a pure core without clock, timers, randomness or I/O.
 *
 *   submitted ──▶ open batch ──linger over, or full──▶ ready ──┬─take()─────────▶ at the broker ──confirmed──▶ gone, answered
 *                                                            │                   │ lost, slow, returned, refused
 *                                                            │                   ▼
 *                                                            └─takeForSpool()─▶ at the spool ──spooled──▶ gone, answered
 *                                                                  ▲            │ declined
 *                                                                  └── again ◀──┘
 *
 * Route: the broker takes messages while it is connected, reads and answers; else the spool does, if it has room; a message that the
 * broker returned or refused goes to the spool too. Without a spool such messages are published again, after a pause or
 * on the next connection. Everything has at most `expiryMs` from its first event on; then it is dropped, wherever it is, and
 * its requests are told.
 *
 * Guarantees: a request is told `durable` once every message that holds an event of it is confirmed or spooled, and never
 * before; each request gets exactly one effect. A sequence number is given when a message is first taken, together with the
 * bytes, and both stay what they are for as long as the process lives, whichever way the message goes and however often. A message
 * that was returned is not confirmed, although the broker confirms it too. Nothing is published on a generation other than
 * the current one, and no confirm of another counts. Refuses new requests while neither broker nor spool takes them, and
 * while more than `heldBytesMax` waits.
 *
 * Publishing and spooling are pulled: the shell takes as long as the channel and the spool take more, so that neither is
 * fed without bound.
 */
export class OutboxCore {
  readonly #identity: OutboxIdentity;
  readonly #limits: OutboxLimits;
  readonly #packing: Packing;
  readonly #lastSequence: number[] = new Array<number>(slotCount).fill(0);
  readonly #unconfirmed: Unconfirmed;
  readonly #route: Route;
  #heldBytes = 0;
  #expiryCheckMs = Infinity;
  #effects: OutboxEffect[] = [];

  constructor(identity: OutboxIdentity, limits: OutboxLimits) {
    this.#identity = identity;
    this.#limits = limits;
    const empty = encodeMessage({ receivedAt: 1e10 + 0.123, source: identity.source, region: identity.region }, []);
    this.#packing = new Packing(limits, empty.byteLength);
    this.#unconfirmed = new Unconfirmed(limits.retry);
    this.#route = new Route(limits.slowMs);
  }

  get producer(): string {
    return this.#identity.producer;
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
    return this.#route.obstacle ?? (this.#heldBytes >= this.#limits.heldBytesMax ? 'overloaded' : undefined);
  }

  get isConnected(): boolean {
    return this.#route.isConnected;
  }

  get detour(): Detour {
    return this.#route.detour;
  }

  get mayReplay(): boolean {
    return this.#route.mayReplay;
  }

  /** When `ticked` is due, on the clock of `nowMs`; infinity if nothing waits for a time. */
  get wakeAtMs(): number {
    const slowAtMs = this.#route.hasSpool ? this.#route.wire.checkAtMs : Infinity;
    return Math.min(this.#packing.lingerUntilMs, this.#unconfirmed.pausedUntilMs, this.#expiryCheckMs, slowAtMs);
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
        if (this.#route.isCurrent(event.generation)) this.#lost();
        break;
      case 'blocked':
        this.#route.blocked(event.blocked);
        break;
      case 'confirmed':
      case 'refused':
      case 'returned':
        this.#told(event.kind, event.generation, keyOf(event.slot, event.sequence), nowMs);
        break;
      case 'spool':
        this.#spoolChanged(event.roomBytes, nowMs);
        break;
      case 'spooled':
      case 'spool_declined':
        this.#toldBySpool(event.kind === 'spooled', keyOf(event.slot, event.sequence));
        break;
      case 'ticked':
        this.#packing.flush(nowMs);
        this.#unconfirmed.endPause(nowMs);
        this.#expire(nowMs);
        if (this.#route.hasSpool && this.#route.wire.check(nowMs)) this.#unconfirmed.takeAllAgain();
        break;
    }
    if (this.#effects.length === 0) return nothing;
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** The next message to publish, on the current generation; undefined if there is none, or it is not the broker's turn. */
  take(nowMs: number): Outgoing | undefined {
    const { generation } = this.#route;
    if (generation === undefined || this.#route.now !== 'broker') return undefined;
    const again = this.#unconfirmed.nextAgain(nowMs, generation);
    const message = again ?? this.#first(nowMs);
    if (message === undefined) return undefined;
    message.sentOn = generation;
    this.#route.wire.sent(keyOf(message.origin.slot, message.origin.sequence), nowMs);
    return this.#outgoing(message, again !== undefined);
  }

  /** The next message for the spool; undefined if there is none, or it is not the spool's turn. Its fate is told by its sequence. */
  takeForSpool(nowMs: number): Outgoing | undefined {
    if (!this.#route.canSpool) return undefined;
    let message = this.#unconfirmed.nextUnwanted(nowMs);
    if (message === undefined && this.#route.now === 'spool')
      message = this.#unconfirmed.nextAgain(nowMs) ?? this.#first(nowMs);
    if (message === undefined) return undefined;
    message.spooling = true;
    return this.#outgoing(message, false);
  }

  #submit(request: number, events: readonly PackedEvent[], receivedAtMs: number, nowMs: number): void {
    let bytes = 0;
    for (const event of events) bytes += event.bytes + this.#limits.eventOverheadBytes;
    // A request is taken by an empty outbox however large it is: it would never be taken otherwise.
    const overloaded = this.#heldBytes > 0 && this.#heldBytes + bytes > this.#limits.heldBytesMax;
    const reason = this.turnsAway ?? (overloaded ? 'overloaded' : this.#lacksRoom(bytes) ? 'spool_full' : undefined);
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

  /** What is held and not on the disk yet comes there before this: it is taken only if all of it fits. */
  #lacksRoom(bytes: number): boolean {
    return this.#route.now === 'spool' && this.#heldBytes + bytes > this.#route.roomBytes;
  }

  /** The oldest batch that is ready, as a message: with its sequence and its bytes. */
  #first(nowMs: number): Message | undefined {
    const batch = this.#packing.peek();
    // What is too old is left to the expiry, which is due: it must not be published after its requests are told.
    if (batch === undefined || this.#isExpired(batch, nowMs)) return undefined;
    this.#packing.take();
    const { slot } = batch;
    const sequence = (this.#lastSequence[slot] ?? 0) + 1;
    this.#lastSequence[slot] = sequence;
    const { producer, source, region } = this.#identity;
    const body = encodeMessage({ receivedAt: batch.receivedAtMs / 1000, source, region }, batch.texts);
    const origin = { producer, slot, sequence };
    const events = batch.texts.length;
    batch.texts.length = 0;
    const expiresAtMs = batch.firstMs + this.#limits.expiryMs;
    const state = { sentOn: undefined, returned: false, spooling: false };
    const message = { origin, body, batch, events, expiresAtMs, ...state };
    this.#unconfirmed.add(message);
    return message;
  }

  #outgoing({ origin, body, events, batch, expiresAtMs }: Message, again: boolean): Outgoing {
    return { origin, body, events, again, acceptedAtMs: batch.receivedAtMs, expiresAtMs };
  }

  #connected(generation: number): void {
    if (generation <= (this.#route.generation ?? 0)) return;
    if (this.#route.generation !== undefined) this.#lost();
    this.#route.connected(generation);
  }

  #lost(): void {
    this.#route.lost();
    this.#unconfirmed.lost();
  }

  #spoolChanged(roomBytes: number | undefined, nowMs: number): void {
    const could = this.#route.canSpool;
    this.#route.spool(roomBytes);
    if (this.#route.canSpool === could) return;
    // What is with a slow broker already comes to the spool as well.
    if (!could && this.#route.wire.isSlow) this.#unconfirmed.takeAllAgain();
    if (could) this.#unconfirmed.pauseUnwanted(nowMs);
  }

  #toldBySpool(isDurable: boolean, key: number): void {
    const message = this.#unconfirmed.get(key);
    // Unknown: dropped as expired, or confirmed by the broker meanwhile.
    if (message === undefined) return;
    message.spooling = false;
    if (isDurable) this.#forget(message, 'durable');
    else this.#unconfirmed.takeAgain(message);
  }

  #told(verdict: 'confirmed' | 'refused' | 'returned', generation: number, key: number, nowMs: number): void {
    if (!this.#route.isCurrent(generation)) return;
    if (verdict !== 'returned') this.#route.wire.answered(key, nowMs);
    const message = this.#unconfirmed.get(key);
    // Unknown: dropped as expired, or spooled. Sent on another generation: said on a channel that is gone.
    if (message === undefined || message.sentOn !== generation) return;
    if (verdict === 'returned') {
      message.returned = true;
    } else if (verdict === 'confirmed' && !message.returned) {
      this.#unconfirmed.succeeded();
      this.#forget(message, 'durable');
    } else {
      message.sentOn = undefined;
      message.returned = false;
      if (message.spooling) return;
      if (this.#route.canSpool) this.#unconfirmed.unwanted(message);
      else this.#unconfirmed.pause(message, nowMs);
    }
  }

  /** Drops what is too old. Both queues are in order, give or take one linger, so the first young one ends the search. */
  #expire(nowMs: number): void {
    if (nowMs < this.#expiryCheckMs) return;
    let oldestMs = Infinity;
    for (const message of this.#unconfirmed.oldestFirst()) {
      if (nowMs < message.expiresAtMs) {
        oldestMs = message.batch.firstMs;
        break;
      }
      this.#forget(message, 'expired');
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

  #forget(message: Message, outcome: 'durable' | 'expired'): void {
    this.#unconfirmed.remove(message);
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
}
