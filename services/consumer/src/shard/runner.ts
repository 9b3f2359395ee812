import type { ConsumeMessage } from 'amqplib';
import type { BrokerSession } from '../../../../shared/amqp/connection.ts';
import { decodeMessage, UnreadableMessage } from '../../../../shared/event/message.ts';
import type { ParkedEntry, ShardJournal } from '../../../../shared/journal/journal.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { SharedTrouble } from '../../../../shared/log/shared-trouble.ts';
import { redisFault } from '../../../../shared/redis/redis-fault.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import type { DeadLetters } from '../dead-letters/dead-letters.ts';
import { ShardChannel } from '../delivery/channel.ts';
import type { Call, CallSource } from '../dispatch/call.ts';
import type { JournalAnswer, JournalWrite } from '../sending/write.ts';
import type { ShardCore } from './core.ts';
import type { Mailbox } from './mailbox.ts';
import { parkedBy, type ParkedLog } from './parked-log.ts';
import type { EndReason, ShardEffect, ShardEvent } from './protocol.ts';
import { Undelivered } from './undelivered.ts';

/**
 * The shell of one shard under one lease: runs the effects of its core and posts their outcomes back. It decides
 * nothing. Every event passes `post`, one at a time: the core's mailbox.
 */
export interface ShardPorts {
  readonly queue: string;
  /** Whether the topology binds this slot to the shard's queue. */
  readonly hasSlot: (slot: number) => boolean;
  readonly epoch: number;
  readonly journal: ShardJournal;
  /** The broker connection that is up, if any. */
  readonly session: () => BrokerSession | undefined;
  readonly mailbox: Mailbox;
  readonly deadLetters: DeadLetters;
  /** Shared by all shards of this consumer: entries that were parked, queues that cannot be consumed, journals that cannot be read. */
  readonly parkedLog: ParkedLog;
  readonly consuming: SharedTrouble;
  readonly loading: SharedTrouble;
  /** The journal is in a format that this version does not read, and that is told. */
  /** Its journal was read. */
  readonly loaded: () => void;
  readonly isUnreadable: (error: unknown) => boolean;
  readonly log: Logger;
  readonly needCatalog: (account: string) => void;
  /** The journal has these entries as parked now. */
  readonly parked: (entries: readonly ParkedEntry[]) => void;
  /** The core has calls that could start. */
  readonly wakeDispatcher: () => void;
  /** The core has ended, its channel is closed and everything on it has arrived. */
  readonly ended: (reason: EndReason) => void;
}

const retryPolicy = { baseMs: 50, maxMs: 2_000 };

const stableAfterMs = 5_000;

interface OpenChannel {
  readonly generation: number;
  readonly prefetch: number;
  channel: ShardChannel | undefined;
}

export class ShardRunner implements CallSource {
  readonly core: ShardCore;
  readonly #ports: ShardPorts;
  readonly #undelivered: Undelivered;
  #open: OpenChannel | undefined;
  #closing: Promise<void> = Promise.resolve();
  #openedAtMs = Number.NEGATIVE_INFINITY;
  /** How many channels in a row were lost soon after they were opened. */
  #shortLives = 0;
  #unansweredWrites = 0;
  #unreadable = 0;
  #abandoned = false;

  constructor(core: ShardCore, ports: ShardPorts) {
    this.core = core;
    this.#ports = ports;
    this.#undelivered = new Undelivered(ports.queue, ports.log);
  }

  /** Writes to the journal that got no answer and were repeated. */
  get unansweredWrites(): number {
    return this.#unansweredWrites;
  }

  get unreadable(): number {
    return this.#unreadable;
  }

  takeArmedChanges(nowMs: number): ReadonlyMap<string, number> {
    return this.core.takeArmedChanges(nowMs);
  }

  accountChanged(account: string, closedFor: string | undefined): void {
    this.post({ type: 'account_changed', account, closedFor });
  }

  takeCall(nowMs: number, account: string, onlyFresh: boolean): Call | undefined {
    const call = this.core.takeCall(nowMs, account, onlyFresh);
    if (call === undefined) return undefined;
    return {
      ...call,
      ended: (outcome, endedAtMs, breakerClosed) => {
        call.ended(outcome, endedAtMs, breakerClosed);
        this.post({ type: 'ticked' });
      },
    };
  }

  start(): void {
    this.#run(this.core.start());
  }

  post(event: ShardEvent): void {
    this.#run(this.core.step(event, performance.now()));
    if (this.core.hasArmed) this.#ports.wakeDispatcher();
  }

  /** A new broker connection: a channel that is wanted can be opened now. */
  connected(): void {
    if (this.#open !== undefined && this.#open.channel === undefined) void this.#openChannel(this.#open, 0);
  }

  /**
   * As if the process had ended here, whatever the core is about to do: nothing is written or acked any more, and the
   * broker has its messages back. A core that only hands over could wait for ever for a write that is not repeated.
   */
  abandon(): void {
    this.#abandoned = true;
    this.#forgetTroubles();
    if (this.#open !== undefined) this.#close(this.#open.generation);
  }

  /** They are the next owner's. */
  #forgetTroubles(): void {
    this.#ports.consuming.left(this.#ports.queue);
    this.#ports.loading.left(this.#ports.queue);
    this.#ports.parkedLog.left(this.#ports.queue);
  }

  #run(effects: readonly ShardEffect[]): void {
    if (this.#abandoned) return;
    for (const effect of effects) this.#runOne(effect);
  }

  #runOne(effect: ShardEffect): void {
    switch (effect.type) {
      case 'load':
        void this.#load(0);
        break;
      case 'discarded':
        this.#undelivered.add(effect);
        break;
      case 'open_channel':
        this.#open = { generation: effect.generation, prefetch: effect.prefetch, channel: undefined };
        this.#openSoon(this.#open);
        break;
      case 'set_prefetch':
        this.#onChannel(effect.generation, (channel) => channel.consume(effect.prefetch));
        break;
      case 'cancel_consumer':
        this.#onChannel(effect.generation, (channel) => channel.cancel());
        break;
      case 'close_channel':
        this.#close(effect.generation);
        break;
      case 'ack':
        if (this.#open?.generation === effect.generation) this.#open.channel?.ackThrough(effect.tag);
        break;
      case 'write':
        void this.#write(effect.write);
        break;
      case 'need_catalog':
        this.#ports.needCatalog(effect.account);
        break;
      case 'ended':
        this.#forgetTroubles();
        void this.#closing.then(() => this.#ports.ended(effect.reason));
        break;
    }
  }

  async #load(failures: number): Promise<void> {
    const askedAtMs = performance.now();
    try {
      const state = await this.#ports.journal.load(this.#ports.epoch);
      this.#ports.loading.gone(this.#ports.queue);
      this.#ports.loaded();
      this.post({ type: 'loaded', state, askedAtMs });
    } catch (error) {
      if (this.core.life !== 'loading' || this.#abandoned) return;
      if (!this.#ports.isUnreadable(error)) this.#ports.loading.met(this.#ports.queue, redisFault(error).words);
      setTimeout(() => void this.#load(failures + 1), delayMs(retryPolicy, failures + 1, Math.random()));
    }
  }

  /** At once, unless the last channel was lost as soon as it was opened: then the broker is left in peace for a while. */
  #openSoon(open: OpenChannel): void {
    const sinceOpenedMs = performance.now() - this.#openedAtMs;
    this.#shortLives = sinceOpenedMs < stableAfterMs ? this.#shortLives + 1 : 0;
    if (this.#shortLives === 0) void this.#openChannel(open, 0);
    else setTimeout(() => void this.#openChannel(open, 0), delayMs(retryPolicy, this.#shortLives, Math.random()));
  }

  async #openChannel(open: OpenChannel, failures: number): Promise<void> {
    const session = this.#ports.session();
    // Without a connection there is nothing to do: `connected` comes with the next one.
    if (session === undefined || this.#open !== open || open.channel !== undefined) return;
    try {
      const channel = await ShardChannel.open(session, this.#ports.queue, {
        delivered: (message) => this.#ports.mailbox.push({ open: () => this.#delivered(open.generation, message) }),
        lost: (isCancelled) => this.#lost(open, isCancelled),
      });
      if (this.#open !== open || open.channel !== undefined) {
        await channel.close();
        return;
      }
      open.channel = channel;
      this.#openedAtMs = performance.now();
      // Before the first delivery, which may come together with the answer to consume.
      this.post({ type: 'channel_opened', generation: open.generation });
      await channel.consume(open.prefetch);
      this.#ports.consuming.gone(this.#ports.queue);
      this.#undelivered.returns();
    } catch (error) {
      // The channel may have told before that it is lost.
      this.#undelivered.failed(error);
      if (this.#open !== open) return;
      // The connection itself says when it is away.
      if (this.#ports.session() === session) this.#ports.consuming.met(this.#ports.queue, error);
      if (open.channel !== undefined) {
        this.#lost(open);
        return;
      }
      setTimeout(() => void this.#openChannel(open, failures + 1), delayMs(retryPolicy, failures + 1, Math.random()));
    }
  }

  #lost(open: OpenChannel, isCancelled = false): void {
    if (this.#open !== open) return;
    this.#open = undefined;
    this.post({ type: 'channel_lost', generation: open.generation, isCancelled });
  }

  #close(generation: number): void {
    const open = this.#open;
    if (open?.generation !== generation) return;
    this.#open = undefined;
    const channel = open.channel;
    if (channel === undefined) return;
    this.#closing = channel.close().catch(() => {
      // The channel or its connection was gone already; the broker has its messages back either way.
    });
  }

  #onChannel(generation: number, action: (channel: ShardChannel) => Promise<void>): void {
    const open = this.#open;
    if (open?.generation !== generation || open.channel === undefined) return;
    action(open.channel).catch((error: unknown) => {
      // Closed meanwhile on purpose, as at the end of a drain.
      if (this.#open !== open) return;
      if (this.#ports.session() !== undefined) this.#ports.consuming.met(this.#ports.queue, error);
      this.#lost(open);
    });
  }

  #delivered(generation: number, message: ConsumeMessage): void {
    const tag = message.fields.deliveryTag;
    let decoded: ReturnType<typeof decodeMessage>;
    try {
      decoded = decodeMessage(message.content, message.properties.headers);
      // A publisher that routes a lane past its slot would have it counted, and called, by two shards.
      const { slot } = decoded.origin;
      if (!this.#ports.hasSlot(slot))
        throw new UnreadableMessage('slot_mismatch', `slot ${slot} belongs to another shard`);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      this.#unreadable++;
      this.post({ type: 'unreadable', generation, tag });
      void this.#bury(generation, message, error);
      return;
    }
    // Not through `post`: nothing follows from a delivery before the next tick.
    this.#run(this.core.step({ type: 'delivered', generation, tag, ...decoded }, performance.now()));
  }

  async #bury(generation: number, message: ConsumeMessage, error: UnreadableMessage): Promise<void> {
    const isWanted = (): boolean => this.#open?.generation === generation;
    if (await this.#ports.deadLetters.bury(message, error, this.#ports.queue, isWanted))
      this.post({ type: 'dead_letter_confirmed', generation, tag: message.fields.deliveryTag });
  }

  async #write(write: JournalWrite): Promise<void> {
    let answer: JournalAnswer | undefined;
    try {
      answer = await this.#send(write);
      if (answer.answer === 'ok') this.#tellParked(parkedBy(write));
    } catch (error) {
      this.#unansweredWrites++;
      this.#ports.log.debug({ error, kind: write.kind }, 'A journal write was not answered; it is repeated as it was.');
    }
    this.post({ type: 'written', answer });
    if (this.core.flight.drive.deferred.size === 0) this.#ports.parkedLog.noneDeferred(this.#ports.queue);
  }

  #tellParked(parked: readonly ParkedEntry[]): void {
    if (parked.length === 0) return;
    this.#ports.parkedLog.parked(this.#ports.queue, parked);
    this.#ports.parked(parked);
  }

  #send(write: JournalWrite): Promise<JournalAnswer> {
    const { journal, epoch } = this.#ports;
    switch (write.kind) {
      case 'commit':
        return journal.commit(epoch, write.commit);
      case 'mark':
        return journal.mark(epoch, write.set, write.token, write.entries);
      case 'progress':
        return journal.progress(epoch, write.set, write.token, write.settled, write.parked, write.additions);
      case 'complete':
        return journal.complete(epoch, write.set, write.token, write.progressWrites);
      case 'settle_deferred':
        return journal.settleDeferred(epoch, write.identifier, write.outcome);
      case 'read_totals':
        return journal.readTotals(epoch, write.fields);
      case 'read_sums':
        return journal.readSums(epoch, write.atMs, write.keys);
      case 'peek_replays':
        return journal.peekReplays(epoch, write.max);
      case 'take_replays':
        return journal.takeReplays(epoch, write.replays);
    }
  }
}
