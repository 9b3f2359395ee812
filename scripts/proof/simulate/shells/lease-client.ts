import type { OwnershipEvent } from '../../../../services/consumer/src/ownership/protocol.ts';
import { type JournalFormat, oldestFormat } from '../../../../shared/journal/format.ts';
import type { ClaimAnswer, RenewAnswer } from '../../../../shared/journal/journal.ts';
import type { Formats } from '../stores/model-journal.ts';
import type { ModelRedis } from '../models/model-redis.ts';
import type { Process } from '../time/process.ts';
import type { RedisClient } from './redis-client.ts';
import type { World } from '../models/world.ts';

export interface LeasePorts {
  readonly world: World;
  readonly redis: ModelRedis;
  readonly client: RedisClient;
  readonly process: Process;
  readonly formats: () => Formats;
  readonly post: (event: OwnershipEvent) => void;
}

/** Claims, renews and releases the leases of one consumer, and tells it what Redis says. */
export class LeaseClient {
  readonly #ports: LeasePorts;
  /** Of each shard's journal, as claims and renewals have told. */
  readonly #formats = new Map<number, JournalFormat>();
  #isEveryLeaseKnown = true;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
  }

  /** Every claim and every release was answered. */
  get isEveryLeaseKnown(): boolean {
    return this.#isEveryLeaseKnown;
  }

  /** What this consumer writes into a shard's journal is in this format. */
  formatOf(shard: number): JournalFormat {
    return this.#formats.get(shard) ?? oldestFormat;
  }

  claim(shard: number, ttlMs: number): void {
    const { world, redis, client, process, post } = this.#ports;
    const askedAtMs = process.nowMs;
    const formats = this.#ports.formats();
    client.request<{ readonly claim: ClaimAnswer | undefined; readonly format: JournalFormat | undefined }>(
      'claim',
      () => {
        const journal = redis.journal(shard);
        const answer = journal.claim(redis.nowMs, process.name, ttlMs, formats);
        if (answer === 'format') {
          world.tally.add('claims of a journal that is not read');
          return { claim: undefined, format: undefined };
        }
        if (answer.granted) {
          world.tally.add('leases taken');
          if (answer.epoch > 1) world.tally.add('takeovers');
        }
        return { claim: answer, format: journal.format };
      },
      (answer) => {
        if (answer === undefined) this.#isEveryLeaseKnown = false;
        if (answer?.format !== undefined) this.#formats.set(shard, answer.format);
        post({ type: 'claim_answered', shard, answer: answer?.claim, askedAtMs });
      },
    );
  }

  renew(shard: number, epoch: number, ttlMs: number): void {
    const { redis, client, process, post } = this.#ports;
    const held = { epoch, owner: process.name };
    const askedAtMs = process.nowMs;
    const { writes } = this.#ports.formats();
    client.request<{ readonly renewal: RenewAnswer; readonly format: JournalFormat | undefined }>(
      'renew',
      () => {
        const journal = redis.journal(shard);
        return { renewal: journal.renew(redis.nowMs, held, ttlMs, writes), format: journal.format };
      },
      (answer) => {
        if (answer?.renewal.answer === 'ok' && answer.format !== undefined) this.#formats.set(shard, answer.format);
        post({ type: 'renew_answered', shard, epoch, answer: answer?.renewal, askedAtMs });
      },
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
