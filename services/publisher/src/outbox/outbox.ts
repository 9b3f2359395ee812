import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerConnection, BrokerSession } from '../../../../shared/amqp/connection.ts';
import { producerHeader, sequenceHeader, slotHeader } from '../../../../shared/event/message.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import type { PublisherMetrics } from '../metrics.ts';
import type { Replayed, Spool } from '../spool/spool.ts';
import { WakeTimer } from '../wake-timer.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { OutboxCore, OutboxEvent, Outgoing, TurnedAwayReason } from './core.ts';
import { OutageLog } from './outage-log.ts';
import type { PackedEvent } from './packing.ts';
import { PublishingChannel } from './publishing-channel.ts';

/** Live messages that are published for each one of the spool, while there are both. */
const livePerReplayed = 4;
const emptyCheckMs = 20;

/** How a request ended: `durable` is the only one that may be answered with 202. */
export type Outcome = 'durable' | 'expired' | TurnedAwayReason;

export interface OutboxOptions {
  readonly core: OutboxCore;
  readonly connection: BrokerConnection;
  readonly exchange: string;
  readonly log: Logger;
  readonly metrics: PublisherMetrics;
  /** Where messages go while the broker does not take them, and come from again. */
  readonly spool?: Spool;
  /** False: nobody submits anything, so that there is no usage to be turned away. */
  readonly hasIntake?: boolean;
}

/**
 * The shell round the outbox core: it owns the timer and the channel, feeds what happens to the core one thing after the
 * other, and carries out what it says. On the same channel it publishes what is in the spool, in turn with live messages.
 *
 *   away ──connection──▶ opening ──channel and exchange are there──▶ open ──channel or connection ends──▶ away
 *
 * A channel that ends takes its connection with it: the next one begins with everything unconfirmed, after the usual delay.
 */
type Link =
  | { readonly kind: 'away' }
  | { readonly kind: 'opening'; readonly session: BrokerSession }
  | { readonly kind: 'open'; readonly session: BrokerSession; readonly channel: PublishingChannel; writable: boolean };

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #core: OutboxCore;
  readonly #outage: OutageLog;
  readonly #answers = new Map<number, (outcome: Outcome) => void>();
  #link: Link = { kind: 'away' };
  #lastRequest = 0;
  readonly #timer = new WakeTimer(() => this.#step({ kind: 'ticked' }));
  #isStopped = false;
  #isPumping = false;
  /** A first connection was made, or was not. */
  #hasTried = false;
  #pumpAgain = false;
  #liveInTurn = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#core = options.core;
    this.#outage = new OutageLog(options.log, options.exchange, options.spool !== undefined);
    options.connection.onConnected((session) => void this.#open(session));
    options.connection.onLost((generation) => this.#lost(generation));
    options.connection.onFailed(() => {
      this.#hasTried = true;
      this.#tellRefusal();
    });
    options.connection.onBlocked((blocked) => this.#step({ kind: 'blocked', blocked }));
    const { spool } = options;
    spool?.onChange(() => this.#spoolChanged(spool));
    if (spool !== undefined) this.#step({ kind: 'spool', roomBytes: spool.roomBytes });
  }

  /** What a person should know of the way of usage, as sentences. */
  get remarks(): readonly string[] {
    return this.#outage.remarks;
  }

  /** Why a request would be turned away now: asked before its body is read. */
  get turnsAway(): TurnedAwayReason | undefined {
    return this.#core.turnsAway;
  }

  /** `answer` is called exactly once, now or later, and must not throw. */
  submit(events: readonly PackedEvent[], receivedAtMs: number, answer: (outcome: Outcome) => void): void {
    const request = ++this.#lastRequest;
    this.#answers.set(request, answer);
    this.#step({ kind: 'submitted', request, events, receivedAtMs });
  }

  /** Resolves once the spool is empty, or cannot be emptied by us, or at this time on the monotonic clock. */
  async emptySpool(deadlineMs: number): Promise<void> {
    const { spool } = this.#options;
    const isOver = (): boolean => spool?.isOpen !== true || spool.isEmpty || performance.now() >= deadlineMs;
    while (!isOver()) await sleep(emptyCheckMs);
  }

  /** Publishes and spools nothing more. What is unconfirmed then was not answered with 202. */
  stop(): void {
    this.#isStopped = true;
    if (this.#link.kind !== 'away') this.#lost(this.#link.session.generation);
    this.#timer.stop();
    if (this.#core.unconfirmedMessages > 0) {
      this.#options.log.warn(
        { messages: this.#core.unconfirmedMessages },
        'Stopped with messages that the broker has not confirmed; their requests were not answered with 202, so clients send them again.',
      );
    }
  }

  async #open(session: BrokerSession): Promise<void> {
    this.#hasTried = true;
    this.#link = { kind: 'opening', session };
    const channel = await this.#openChannel(session);
    if (channel === undefined || this.#link.kind !== 'opening' || this.#link.session !== session) return;
    this.#link = { kind: 'open', session, channel, writable: true };
    this.#outage.channelOpened();
    this.#step({ kind: 'connected', generation: session.generation });
    this.#tellRefusal();
  }

  async #openChannel(session: BrokerSession): Promise<PublishingChannel | undefined> {
    const { exchange } = this.#options;
    try {
      return await PublishingChannel.open(session, exchange, {
        closed: () => this.#channelClosed(session),
        drained: () => this.#drained(session),
        returned: (headers) => this.#returned(session.generation, headers),
      });
    } catch (error) {
      if (isNotFound(error)) this.#outage.exchangeMissing();
      else this.#outage.channelFailed(messageOf(error));
      this.#tellRefusal();
      session.abandon('there is no channel to publish on');
      return undefined;
    }
  }

  #channelClosed(session: BrokerSession): void {
    if (this.#link.kind === 'away' || this.#link.session !== session) return;
    this.#lost(session.generation);
    // A connection that breaks closes its channels first, in the same turn, and then says why itself.
    queueMicrotask(() => session.abandon('the channel for publishing was closed'));
  }

  #lost(generation: number): void {
    if (this.#link.kind === 'away' || this.#link.session.generation !== generation) return;
    this.#link = { kind: 'away' };
    this.#options.spool?.lost();
    this.#outage.lost();
    this.#step({ kind: 'lost', generation });
  }

  #drained(session: BrokerSession): void {
    if (this.#link.kind !== 'open' || this.#link.session !== session) return;
    this.#link.writable = true;
    this.#pump();
  }

  #returned(generation: number, headers: Record<string, unknown> | undefined): void {
    const { metrics, spool } = this.#options;
    metrics.returned.inc();
    const slot = Number(headers?.[slotHeader]);
    const sequence = Number(headers?.[sequenceHeader]);
    const producer = String(headers?.[producerHeader]);
    this.#outage.returned({ producer, slot, sequence });
    // Of this life and in the spool both are possible at once; a return that is believed too often costs one publish.
    spool?.returned(generation, { producer, slot, sequence });
    if (producer === this.#core.producer) this.#step({ kind: 'returned', generation, slot, sequence });
  }

  #spoolChanged(spool: Spool): void {
    this.#outage.found(spool);
    this.#step({ kind: 'spool', roomBytes: spool.roomBytes });
    this.#outage.looked(spool);
    this.#tellRefusal();
  }

  /** At the start there is no connection yet, and nothing to say: only once one has failed. */
  #tellRefusal(): void {
    if (!this.#hasTried || this.#options.hasIntake === false) return;
    const reason = this.#core.turnsAway;
    if (reason !== 'overloaded') this.#outage.turnedAway(reason);
  }

  #step(event: OutboxEvent): void {
    for (const effect of this.#core.step(event, performance.now())) {
      const answer = this.#answers.get(effect.request);
      if (answer === undefined) throw new Error(`Request ${effect.request} was answered twice.`);
      this.#answers.delete(effect.request);
      answer(effect.kind === 'turned_away' ? effect.reason : effect.kind);
    }
    this.#pump();
    this.#timer.setFor(this.#core.wakeAtMs);
  }

  /** Hands out what can be handed out. What becomes known while it does is seen to afterwards, not in between. */
  #pump(): void {
    if (this.#isStopped) return;
    if (this.#isPumping) {
      this.#pumpAgain = true;
      return;
    }
    this.#isPumping = true;
    do {
      this.#pumpAgain = false;
      this.#fillChannel();
      this.#fillSpool();
    } while (this.#pumpAgain);
    this.#isPumping = false;
  }

  #fillChannel(): void {
    const link = this.#link;
    if (link.kind !== 'open') return;
    while (link.writable) {
      const mayReplay = this.#options.spool !== undefined && this.#core.mayReplay;
      const replayed = mayReplay && this.#liveInTurn >= livePerReplayed ? this.#replay(link) : 'nothing';
      if (replayed === 'published') continue;
      const live = this.#core.take(performance.now());
      if (live !== undefined) {
        this.#liveInTurn++;
        link.writable = this.#publishLive(link.session, link.channel, live);
      } else if (!mayReplay || this.#replay(link) === 'nothing') return;
    }
  }

  /** Publishes the next message of the spool, if there is one. */
  #replay(link: Extract<Link, { kind: 'open' }>): 'published' | 'nothing' {
    this.#liveInTurn = 0;
    const { spool, metrics } = this.#options;
    const { generation } = link.session;
    const replayed: Replayed | undefined = spool?.next(generation);
    if (replayed === undefined) return 'nothing';
    link.writable = this.#publish(link.session, link.channel, replayed.origin, replayed.body, (confirmed) => {
      (confirmed ? metrics.confirmed : metrics.refused).inc();
      spool?.tell(confirmed ? 'confirmed' : 'refused', replayed);
      this.#pump();
    });
    return 'published';
  }

  #fillSpool(): void {
    const { spool } = this.#options;
    if (spool === undefined) return;
    const next = () => (spool.takesMore ? this.#core.takeForSpool(performance.now()) : undefined);
    for (let outgoing = next(); outgoing !== undefined; outgoing = next()) {
      const { origin, body, events, acceptedAtMs, expiresAtMs } = outgoing;
      const { slot, sequence } = origin;
      const { detour } = this.#core;
      spool.append({ origin, body, acceptedAtMs }, expiresAtMs, (stored) => {
        if (stored) this.#outage.kept(detour, events, spool, this.#hasTried);
        this.#step({ kind: stored ? 'spooled' : 'spool_declined', slot, sequence });
      });
    }
  }

  #publishLive(session: BrokerSession, channel: PublishingChannel, outgoing: Outgoing): boolean {
    const { metrics } = this.#options;
    const { origin, body, events, again } = outgoing;
    if (again) {
      metrics.republished.inc();
    } else {
      metrics.published.inc();
      metrics.messageEvents.observe(events);
    }
    const { slot, sequence } = origin;
    const { generation } = session;
    return this.#publish(session, channel, origin, body, (confirmed) => {
      (confirmed ? metrics.confirmed : metrics.refused).inc();
      this.#step({ kind: confirmed ? 'confirmed' : 'refused', generation, slot, sequence });
    });
  }

  /** False when the channel wants no more before its `drain` event; this one it has taken all the same. */
  #publish(
    session: BrokerSession,
    channel: PublishingChannel,
    origin: MessageOrigin,
    body: Buffer,
    told: (confirmed: boolean) => void,
  ): boolean {
    try {
      return channel.publish(origin, body, (confirmed) => {
        this.#outage.told(confirmed ? 'confirmed' : 'refused', origin);
        told(confirmed);
      });
    } catch (error) {
      // The message stays unconfirmed and is taken again.
      const { generation } = session;
      this.#options.log.warn(
        { cause: messageOf(error), generation },
        'The channel for publishing takes nothing more; connecting again.',
      );
      session.abandon('the channel for publishing takes nothing more');
      return false;
    }
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 404;
}
