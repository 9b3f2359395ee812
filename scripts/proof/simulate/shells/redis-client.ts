import type { ModelRedis } from '../models/model-redis.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import { Wire } from '../time/wire.ts';
import type { World } from '../models/world.ts';

/** What becomes of requests that are under way when a connection breaks. */
export type CutMode =
  | 'lost'
  /** They were sent, and reach Redis long after their sender has given them up. */
  | 'late';

type Fate = 'answered' | 'request_lost' | 'answer_lost' | 'late' | 'stalled';

interface Connection {
  readonly up: Wire;
  readonly down: Wire;
}

interface Outstanding {
  readonly deadlineMs: number;
  readonly unanswered: () => void;
}

/**
 * A process's connection to Redis, as `shared/redis/client.ts` keeps it: a request without an answer is given up when the
 * connection breaks or its time is over, and never sent again behind its caller's back. It may have been carried out, or may be yet.
 */
export class RedisClient {
  readonly #world: World;
  readonly #redis: ModelRedis;
  readonly #process: Process;
  readonly #random: Random;
  readonly #outstanding = new Map<number, Outstanding>();
  #connection: Connection | undefined;
  #lastRequest = 0;

  constructor(world: World, redis: ModelRedis, process: Process, random: Random) {
    this.#world = world;
    this.#redis = redis;
    this.#process = process;
    this.#random = random;
    redis.clients.add(this);
    this.#connect();
  }

  /** `answered` gets undefined when there was no answer. */
  request<Answer>(name: string, carryOut: () => Answer, answered: (answer: Answer | undefined) => void): void {
    const connection = this.#connection;
    if (connection === undefined) {
      this.#process.after(1, () => answered(undefined));
      return;
    }
    const request = ++this.#lastRequest;
    this.#outstanding.set(request, {
      deadlineMs: this.#process.nowMs + this.#world.profile.redisTimeoutMs,
      unanswered: () => {
        this.#world.tally.add('journal requests without answer');
        if (this.#world.trace.on) this.#world.trace.line(this.#process.name, `${name} has no answer`);
        answered(undefined);
      },
    });
    const fate = this.#fateOf(name);
    this.#process.emit(() => {
      connection.up.send(() => {
        if (!this.#redis.isUp) return;
        const answer = carryOut();
        if (fate === 'answer_lost') this.#cut(connection, 'lost');
        connection.down.send(() =>
          this.#process.receive(() => {
            if (this.#outstanding.delete(request)) answered(answer);
          }),
        );
      });
      if (fate === 'request_lost') this.#cut(connection, 'lost');
      if (fate === 'late') this.#cut(connection, 'late');
      if (fate === 'stalled') connection.up.stall(this.#random.between(0.7, 1.5) * this.#world.profile.leaseMs);
    });
  }

  /** Gives up what has waited too long: the process's timer. */
  tick(): void {
    for (const [request, { deadlineMs, unanswered }] of this.#outstanding) {
      if (this.#process.nowMs < deadlineMs) return;
      this.#outstanding.delete(request);
      unanswered();
    }
  }

  stall(durationMs: number): void {
    this.#connection?.up.stall(durationMs);
    this.#connection?.down.stall(durationMs);
  }

  cut(mode: CutMode): void {
    if (this.#connection !== undefined) this.#cut(this.#connection, mode);
  }

  /** The process is dead: what it has sent may still arrive. */
  end(): void {
    this.#redis.clients.delete(this);
    if (this.#random.chance(0.3)) this.#connection?.up.cut();
    this.#connection = undefined;
  }

  #cut(connection: Connection, mode: CutMode): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    connection.down.cut();
    if (mode === 'lost') connection.up.cut();
    else connection.up.stall(this.#random.between(0, 2 * this.#world.profile.leaseMs));
    this.#world.timeline.after(this.#random.between(0, 20), () => this.#process.receive(() => this.#lost()));
  }

  #lost(): void {
    const outstanding = [...this.#outstanding.values()];
    this.#outstanding.clear();
    for (const { unanswered } of outstanding) unanswered();
    this.#process.after(this.#random.between(20, this.#world.profile.reconnectMs), () => this.#connect());
  }

  #connect(): void {
    if (!this.#redis.isUp) {
      this.#process.after(this.#random.between(20, this.#world.profile.reconnectMs), () => this.#connect());
      return;
    }
    const latency = (): number => this.#random.between(0.2, this.#world.profile.redisLatencyMs);
    this.#connection = { up: new Wire(this.#world.timeline, latency), down: new Wire(this.#world.timeline, latency) };
  }

  #fateOf(name: string): Fate {
    const { redisRequestFails, commitLate, renewalLost } = this.#world.rates;
    if (name === 'commit' && commitLate > 0 && this.#random.chance(commitLate))
      return this.#random.pick(['stalled', 'late'] as const);
    if (name === 'renew' && renewalLost > 0 && this.#random.chance(renewalLost)) return 'request_lost';
    if (!this.#random.chance(redisRequestFails)) return 'answered';
    return this.#random.pick(['request_lost', 'answer_lost', 'late'] as const);
  }
}
