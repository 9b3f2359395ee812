import type { ModelRedis } from './models/model-redis.ts';
import type { Random } from './time/random.ts';
import type { World } from './models/world.ts';

/**
 * A person with `tallyman entries`: looks at what is parked now and then, has dead entries sent again, whether or not that can
 * help, and discards some. Like the real command it writes to the journal only, and holds no lease.
 */
export class Operator {
  readonly #world: World;
  readonly #redis: ModelRedis;
  readonly #random: Random;

  constructor(world: World, redis: ModelRedis, random: Random) {
    this.#world = world;
    this.#redis = redis;
    this.#random = random;
    redis.sumsRead = () => this.#interrupt();
    this.#expect();
  }

  /** An owner is about to add to what it has read: one moment in which a person decides about just that is worth a thousand others. */
  #interrupt(): void {
    const { timeline, profile } = this.#world;
    if (timeline.nowMs >= profile.activeMs || !this.#random.chance(0.3)) return;
    timeline.after(this.#random.between(0, 2 * profile.redisLatencyMs), () => {
      if (this.#redis.isUp) this.#look();
    });
  }

  #expect(): void {
    const { timeline, profile } = this.#world;
    const delayMs = this.#random.exponential(profile.activeMs / 4);
    if (timeline.nowMs + delayMs >= profile.activeMs) return;
    timeline.after(delayMs, () => {
      if (this.#redis.isUp) this.#look();
      this.#expect();
    });
  }

  #look(): void {
    const { checker, tally, trace } = this.#world;
    const decision = { by: 'operator', why: 'try again', atMs: this.#redis.nowMs };
    this.#redis.journals.forEach((journal, shard) => {
      for (const { entry } of journal.waiting()) {
        if (this.#random.chance(0.7)) continue;
        journal.close(entry.identifier, 'discarded', decision);
        tally.add('replays discarded');
      }
      for (const parked of journal.parked()) {
        const { identifier } = parked.entry;
        if (parked.state !== 'dead' || this.#random.chance(0.3)) continue;
        if (trace.on) trace.line('operator', `decides about ${identifier}`);
        if (this.#random.chance(0.1)) {
          journal.close(identifier, 'discarded', decision);
          tally.add('entries discarded');
          continue;
        }
        const replay = journal.replay(identifier, decision);
        if (replay === undefined) continue;
        checker.replayed(shard, parked, replay);
        tally.add('replays asked for');
      }
    });
  }
}
