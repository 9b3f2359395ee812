import { encodeHeaders } from '../../../../shared/event/message.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import { slotMap } from '../../../../shared/topology/slots.ts';
import { ModelQueue, nameOf, type StoredMessage } from '../stores/model-queue.ts';
import type { Random } from '../time/random.ts';
import type { World } from './world.ts';

/** A client's connection, as far as the broker and faults can reach it. */
interface ConnectedLink {
  stall(durationMs: number): void;
  cut(brokerNoticesMs: number, clientNoticesMs: number): void;
  breakAtBroker(clientNoticesMs: number): void;
}

/**
 * The broker, with what both brokers really do (lavinmq.md): a confirm means synced; an unroutable message is returned and
 * confirmed; acks are in memory only; a channel that ends gives its messages back in place; cancelled consumers still
 * get what is under way.
 */
export type Verdict = 'confirmed' | 'returned' | 'refused';

export class ModelBroker {
  readonly queues: readonly ModelQueue[];
  readonly links = new Set<ConnectedLink>();
  readonly #world: World;
  readonly #random: Random;
  readonly #shardOf: readonly number[];
  #isUp = true;
  /** Slots whose binding is missing. */
  readonly #unbound = new Set<number>();
  #deadLetters = 0;
  #acks = 0;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
    this.#shardOf = slotMapOf(world.profile.shards);
    const listener = {
      acked: (message: StoredMessage) => this.#acked(message),
      nowMs: () => world.timeline.nowMs,
    };
    this.queues = Array.from(
      { length: world.profile.shards },
      (_, shard) => new ModelQueue(shard, world.profile.prefetchMax, listener),
    );
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get deadLetters(): number {
    return this.#deadLetters;
  }

  get acks(): number {
    return this.#acks;
  }

  queue(shard: number): ModelQueue {
    const queue = this.queues[shard];
    if (queue === undefined) throw new Error(`There is no shard ${shard}.`);
    return queue;
  }

  /** `answer` is called from the broker's side: the link carries it back. */
  publish(origin: MessageOrigin, body: Buffer, answer: (verdict: Verdict) => void): void {
    const { tally, checker, trace, timeline, profile, rates } = this.#world;
    if (this.#unbound.has(origin.slot)) {
      tally.add('messages returned');
      answer('returned');
      answer('confirmed');
      return;
    }
    if (this.#random.chance(rates.refusedPublish)) {
      tally.add('messages refused');
      answer('refused');
      return;
    }
    const queue = this.queue(this.#shardOf[origin.slot] ?? 0);
    const message = queue.store({ body, headers: encodeHeaders(origin), origin });
    checker.reached(origin, body, timeline.nowMs);
    if (trace.on) trace.line('broker', `stored ${nameOf(message)}`);
    queue.pump();
    timeline.after(this.#random.between(0, profile.syncMs), () => {
      if (this.#lost.has(message)) return;
      message.isSynced = true;
      answer('confirmed');
    });
  }

  readonly #lost = new WeakSet<StoredMessage>();

  /** What somebody else publishes, and nobody can read. */
  publishUnreadable(shard: number): void {
    const queue = this.queue(shard);
    const message = queue.store({ body: Buffer.from('{"version":1'), headers: {}, origin: undefined });
    message.isSynced = true;
    this.#world.tally.add('unreadable messages');
    queue.pump();
  }

  storeDeadLetter(message: StoredMessage): void {
    this.#deadLetters++;
    this.#world.checker.deadLettered(message.shard, message.position);
  }

  setUnbound(slot: number, unbound: boolean): void {
    if (unbound) this.#unbound.add(slot);
    else this.#unbound.delete(slot);
  }

  /** Killed: what is on disk or on its way there stays. With `power`: what was not synced may be gone, and acks are. */
  stop(power: boolean): void {
    this.#isUp = false;
    for (const link of [...this.links]) link.breakAtBroker(this.#random.between(1, 50));
    if (!power) return;
    const { tally, trace, timeline, profile } = this.#world;
    for (const queue of this.queues) {
      const keeps = (message: StoredMessage): boolean => {
        if (this.#random.chance(0.5)) return true;
        this.#lost.add(message);
        return false;
      };
      const resurrected = queue.losePower(keeps, this.#random.integer(0, 12), timeline.nowMs - profile.ackFlushMs);
      tally.add('messages resurrected', resurrected.length);
      if (trace.on && resurrected.length > 0) trace.line('broker', `resurrected ${resurrected.map(nameOf).join(' ')}`);
    }
  }

  start(): void {
    this.#isUp = true;
  }

  #acked(message: StoredMessage): void {
    this.#acks++;
    if (this.#world.trace.on) this.#world.trace.line('broker', `acked ${nameOf(message)}`);
    this.#world.checker.acked(message);
  }
}

const slotMaps = new Map<number, readonly number[]>();

/** Computed once per number of shards: it is the same for every seed. */
function slotMapOf(shards: number): readonly number[] {
  const known = slotMaps.get(shards) ?? slotMap(shards);
  slotMaps.set(shards, known);
  return known;
}
