import type { Call, CallSource } from '../../../../services/consumer/src/dispatch/call.ts';
import type { JournalAnswer, JournalWrite } from '../../../../services/consumer/src/sending/write.ts';
import type { ShardCore } from '../../../../services/consumer/src/shard/core.ts';
import type { EndReason, ShardEffect, ShardEvent } from '../../../../services/consumer/src/shard/protocol.ts';
import { decodeMessage, UnreadableMessage } from '../../../../shared/event/message.ts';
import type { JournalFormat } from '../../../../shared/journal/format.ts';
import type { BrokerLink, ClientChannel } from './broker-link.ts';
import { carryOut, describeState, describeWrite } from './journal-write.ts';
import type { LetterLink } from './letter-link.ts';
import type { Mailbox } from './mailbox.ts';
import type { Held } from '../stores/model-journal.ts';
import { nameOf, type StoredMessage } from '../stores/model-queue.ts';
import type { ModelRedis } from '../models/model-redis.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import type { RedisClient } from './redis-client.ts';
import type { World } from '../models/world.ts';

/** The simulation's shell of one shard under one lease: what `services/consumer/src/shard/runner.ts` is in a real consumer. */
export interface ShardPorts {
  readonly world: World;
  readonly shard: number;
  readonly held: Held;
  /** The newest journal format that its owner reads. */
  readonly reads: JournalFormat;
  /** In which it writes. */
  readonly format: () => JournalFormat;
  readonly process: Process;
  readonly random: Random;
  readonly redis: ModelRedis;
  readonly journal: RedisClient;
  readonly mailbox: Mailbox;
  readonly link: () => BrokerLink | undefined;
  readonly letters: LetterLink;
  readonly needCatalog: (account: string) => void;
  /** The core has ended and its channel is closed. */
  readonly ended: (reason: EndReason) => void;
}

interface Wanted {
  readonly generation: number;
  readonly prefetch: number;
  channel: ClientChannel | undefined;
}

export class ShardRunner implements CallSource {
  readonly core: ShardCore;
  readonly #ports: ShardPorts;
  #wanted: Wanted | undefined;
  #closing = false;
  #isAbandoned = false;
  #endReason: EndReason | undefined;

  constructor(core: ShardCore, ports: ShardPorts) {
    this.core = core;
    this.#ports = ports;
  }

  get held(): Held {
    return this.#ports.held;
  }

  takeArmedChanges(nowMs: number): ReadonlyMap<string, number> {
    return this.core.takeArmedChanges(nowMs);
  }

  accountChanged(account: string, closedFor: string | undefined): void {
    this.post({ type: 'account_changed', account, closedFor });
  }

  takeCall(nowMs: number, account: string, onlyFresh: boolean): Call | undefined {
    const { world, shard, held, process } = this.#ports;
    const call = this.core.takeCall(nowMs, account, onlyFresh);
    if (call === undefined) return undefined;
    if (world.trace.on) world.trace.line(process.name, `calls ${call.entry.identifier}`);
    const watched = world.checker.callStarted(call.entry, shard, held, process);
    return {
      ...call,
      ended: (outcome, endedAtMs, breakerClosed) => {
        if (world.trace.on) world.trace.line(process.name, `call of ${call.entry.identifier} ended: ${outcome.kind}`);
        world.checker.callEnded(watched);
        call.ended(outcome, endedAtMs, breakerClosed);
        this.post({ type: 'ticked' });
      },
    };
  }

  start(): void {
    this.#run(this.core.start());
  }

  post(event: ShardEvent): void {
    this.#run(this.core.step(event, this.#ports.process.nowMs));
  }

  connected(): void {
    if (this.#wanted !== undefined && this.#wanted.channel === undefined) this.#openChannel(this.#wanted);
  }

  /** As if the process had ended: nothing is written or acked any more. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  #run(effects: readonly ShardEffect[]): void {
    if (this.#isAbandoned) return;
    for (const effect of effects) this.#runOne(effect);
  }

  #runOne(effect: ShardEffect): void {
    const { trace } = this.#ports.world;
    switch (effect.type) {
      case 'load':
        this.#load();
        break;
      case 'open_channel':
        this.#wanted = { generation: effect.generation, prefetch: effect.prefetch, channel: undefined };
        this.#openChannel(this.#wanted);
        break;
      case 'set_prefetch':
        this.#ports.world.tally.add('prefetch tuned');
        this.#channelOf(effect.generation)?.consume(effect.prefetch);
        break;
      case 'cancel_consumer':
        this.#channelOf(effect.generation)?.cancel();
        break;
      case 'close_channel':
        this.#closeChannel(effect.generation);
        break;
      case 'ack':
        if (trace.on) this.#trace(`acks through ${effect.tag} (generation ${effect.generation})`);
        this.#channelOf(effect.generation)?.ack(effect.tag);
        break;
      case 'write':
        this.#write(effect.write);
        break;
      case 'discarded':
        this.#ports.world.tally.add('messages discarded with their channel', effect.messages);
        break;
      case 'need_catalog':
        this.#ports.needCatalog(effect.account);
        break;
      case 'ended':
        if (trace.on) this.#trace(`ended: ${effect.reason}`);
        this.#endReason = effect.reason;
        this.#tellEnded();
        break;
    }
  }

  #load(): void {
    const { world, shard, held, process, redis, journal, random, reads } = this.#ports;
    const askedAtMs = process.nowMs;
    journal.request(
      'load',
      () => {
        const model = redis.journal(shard);
        const state = model.load(redis.nowMs, held);
        if (state !== 'stale' && state.pending !== undefined)
          world.checker.loadedSet(process.name, reads, shard, model.setFormat);
        return state;
      },
      (state) => {
        if (world.trace.on) this.#trace(`loaded ${state === undefined ? 'nothing' : describeState(state)}`);
        if (state !== undefined) this.post({ type: 'loaded', state, askedAtMs });
        else if (this.core.life === 'loading') process.after(random.between(1, 100), () => this.#load());
      },
    );
  }

  #openChannel(wanted: Wanted): void {
    const link = this.#ports.link();
    // Without a connection `connected` comes with the next one.
    if (link === undefined) return;
    const { generation } = wanted;
    const channel: ClientChannel = link.openChannel(this.#ports.shard, {
      opened: () => {
        this.post({ type: 'channel_opened', generation });
        channel.consume(wanted.prefetch);
      },
      delivered: (tag, message) => this.#ports.mailbox.push(() => this.#delivered(generation, tag, message)),
      lost: (isCancelled) => {
        if (this.#wanted !== wanted) return;
        this.#wanted = undefined;
        if (this.#ports.world.trace.on) this.#trace(`lost its channel (generation ${generation})`);
        this.post({ type: 'channel_lost', generation, isCancelled });
      },
    });
    wanted.channel = channel;
  }

  #closeChannel(generation: number): void {
    const channel = this.#channelOf(generation);
    if (this.#wanted?.generation === generation) this.#wanted = undefined;
    if (channel === undefined) return;
    this.#closing = true;
    channel.close(() => {
      this.#closing = false;
      this.#tellEnded();
    });
  }

  #tellEnded(): void {
    if (this.#endReason === undefined || this.#closing) return;
    const reason = this.#endReason;
    this.#endReason = undefined;
    this.#ports.ended(reason);
  }

  #channelOf(generation: number): ClientChannel | undefined {
    return this.#wanted?.generation === generation ? this.#wanted.channel : undefined;
  }

  #delivered(generation: number, tag: number, message: StoredMessage): void {
    const { world } = this.#ports;
    world.tally.add('deliveries');
    if (world.trace.on) this.#trace(`is delivered ${nameOf(message)} as ${tag} (generation ${generation})`);
    const decoded = decodedOf(message);
    if (decoded === undefined) {
      this.post({ type: 'unreadable', generation, tag });
      this.#bury(generation, tag, message);
      return;
    }
    this.#run(this.core.step({ type: 'delivered', generation, tag, ...decoded }, this.#ports.process.nowMs));
  }

  /** To the dead-letter exchange, at times in vain; again until it is confirmed, as long as the delivery is ours. */
  #bury(generation: number, tag: number, message: StoredMessage): void {
    const { process, random, letters } = this.#ports;
    if (this.#wanted?.generation !== generation) return;
    const again = (): void => process.after(random.between(10, 200), () => this.#bury(generation, tag, message));
    if (random.chance(0.3)) again();
    else letters.bury(message, () => this.post({ type: 'dead_letter_confirmed', generation, tag }), again);
  }

  #write(write: JournalWrite): void {
    const { world, journal, redis, shard, held, format } = this.#ports;
    const writes = format();
    if (world.trace.on) this.#trace(`writes ${describeWrite(write)}`);
    journal.request<JournalAnswer>(
      write.kind,
      () => carryOut(write, { world, redis, shard, held, format: writes }),
      (answer) => {
        if (world.trace.on) this.#trace(`${write.kind} answered ${answer?.answer ?? 'nothing'}`);
        this.post({ type: 'written', answer });
      },
    );
  }

  #trace(what: string): void {
    const { world, process, shard, held } = this.#ports;
    world.trace.line(process.name, `shard ${shard} epoch ${held.epoch}: ${what}`);
  }
}

const decodedMessages = new WeakMap<StoredMessage, ReturnType<typeof decodeMessage>>();

/** By the real decoder, once for all deliveries of a message; undefined when it cannot be read. */
function decodedOf(message: StoredMessage): ReturnType<typeof decodeMessage> | undefined {
  const known = decodedMessages.get(message);
  if (known !== undefined) return known;
  try {
    const decoded = decodeMessage(message.body, message.headers);
    decodedMessages.set(message, decoded);
    return decoded;
  } catch (error) {
    if (error instanceof UnreadableMessage) return undefined;
    throw error;
  }
}
