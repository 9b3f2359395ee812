import { leaseSlots, type SlotAnswer, spacingUs } from '../../shared/limiter/slots.ts';
import { ModelShardJournal } from './model-journal.ts';
import type { RedisClient } from './redis-client.ts';
import type { World } from './world.ts';

/** Redis: the journals, the members' heartbeats and the limiter's slots, each request one atomic step on its own clock. */
export class ModelRedis {
  readonly journals: readonly ModelShardJournal[];
  readonly clients = new Set<RedisClient>();
  readonly #world: World;
  readonly #members = new Map<string, number>();
  readonly #spacingUs: number;
  #nextSlotUs = 0;
  #isUp = true;

  constructor(world: World) {
    this.#world = world;
    this.#spacingUs = spacingUs(world.profile.ratePerS);
    this.journals = Array.from({ length: world.profile.shards }, () => new ModelShardJournal());
  }

  /** Its clock, unix milliseconds. */
  get nowMs(): number {
    return this.#world.profile.epochMs + Math.floor(this.#world.timeline.nowMs);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  journal(shard: number): ModelShardJournal {
    const journal = this.journals[shard];
    if (journal === undefined) throw new Error(`There is no shard ${shard}.`);
    return journal;
  }

  heartbeat(member: string, ttlMs: number): string[] {
    this.#members.set(member, this.nowMs + ttlMs);
    for (const [name, untilMs] of this.#members) if (untilMs <= this.nowMs) this.#members.delete(name);
    return [...this.#members.keys()];
  }

  withdraw(member: string): void {
    this.#members.delete(member);
  }

  slots(wanted: number): SlotAnswer {
    const step = leaseSlots(this.#nextSlotUs, Math.floor(this.#clockUs()), wanted, this.#spacingUs);
    this.#nextSlotUs = step.nextUs;
    return step.answer;
  }

  stop(): void {
    this.#isUp = false;
    for (const client of this.clients) client.cut('lost');
  }

  start(): void {
    this.#isUp = true;
  }

  #clockUs(): number {
    return (this.#world.profile.epochMs + this.#world.timeline.nowMs) * 1000;
  }
}
