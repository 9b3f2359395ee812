import {
  fullRate,
  fullSpacingUs,
  leaseAtPace,
  patient,
  precise,
  type RateState,
  type ThrottleReport,
  throttle,
} from '../../shared/limiter/pace.ts';
import type { SlotAnswer } from '../../shared/limiter/slots.ts';
import { ModelShardJournal } from './model-journal.ts';
import type { RedisClient } from './redis-client.ts';
import type { World } from './world.ts';

/** Redis: the journals, the members' heartbeats and the limiter's slots, each request one atomic step on its own clock. */
export class ModelRedis {
  readonly journals: readonly ModelShardJournal[];
  readonly clients = new Set<RedisClient>();
  readonly #world: World;
  readonly #members = new Map<string, number>();
  /** By account; the platform's own has no name. */
  readonly #rates = new Map<string, RateState>();
  #isUp = true;

  constructor(world: World) {
    this.#world = world;
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

  slots(account: string, wanted: number): { readonly answer: SlotAnswer; readonly spacingUs: number } {
    const { ratePerS, connectedRatePerS } = this.#world.profile;
    const full = account === '' ? fullSpacingUs(ratePerS, precise) : fullSpacingUs(connectedRatePerS, patient);
    const step = leaseAtPace(this.#rates.get(account) ?? fullRate, Math.floor(this.#clockUs()), wanted, full);
    this.#rates.set(account, step.state);
    return step;
  }

  throttled(account: string, report: ThrottleReport): void {
    this.#rates.set(account, throttle(this.#rates.get(account) ?? fullRate, Math.floor(this.#clockUs()), report));
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
