import type { OwnershipEvent } from '../../services/consumer/src/ownership/protocol.ts';
import type { ClaimAnswer } from '../../shared/journal/journal.ts';
import type { ModelRedis } from './model-redis.ts';
import type { Process } from './process.ts';
import type { RedisClient } from './redis-client.ts';
import type { World } from './world.ts';

export interface LeasePorts {
  readonly world: World;
  readonly redis: ModelRedis;
  readonly client: RedisClient;
  readonly process: Process;
  readonly post: (event: OwnershipEvent) => void;
}

/** Claims, renews and releases the leases of one consumer, and tells it what Redis says. */
export class LeaseClient {
  readonly #ports: LeasePorts;
  #isEveryLeaseKnown = true;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
  }

  /** Every claim and every release was answered. */
  get isEveryLeaseKnown(): boolean {
    return this.#isEveryLeaseKnown;
  }

  claim(shard: number, ttlMs: number): void {
    const { world, redis, client, process, post } = this.#ports;
    const askedAtMs = process.nowMs;
    client.request<ClaimAnswer>(
      'claim',
      () => {
        const answer = redis.journal(shard).claim(redis.nowMs, process.name, ttlMs);
        if (answer.granted) {
          world.tally.add('leases taken');
          if (answer.epoch > 1) world.tally.add('takeovers');
        }
        return answer;
      },
      (answer) => {
        if (answer === undefined) this.#isEveryLeaseKnown = false;
        post({ type: 'claim_answered', shard, answer, askedAtMs });
      },
    );
  }

  renew(shard: number, epoch: number, ttlMs: number): void {
    const { redis, client, process, post } = this.#ports;
    const held = { epoch, owner: process.name };
    const askedAtMs = process.nowMs;
    client.request(
      'renew',
      () => redis.journal(shard).renew(redis.nowMs, held, ttlMs),
      (answer) => post({ type: 'renew_answered', shard, epoch, answer, askedAtMs }),
    );
  }

  release(shard: number, epoch: number): void {
    const { redis, client, process, post } = this.#ports;
    const held = { epoch, owner: process.name };
    client.request(
      'release',
      () => {
        redis.journal(shard).release(redis.nowMs, held);
        return 'ok';
      },
      (answer) => {
        if (answer === undefined) this.#isEveryLeaseKnown = false;
        post({ type: 'release_answered', shard });
      },
    );
  }
}
