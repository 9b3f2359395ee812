import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { slotOf } from '../../../shared/event/lane.ts';
import { slotMap } from '../../../shared/topology/slots.ts';
import { fetchLedger, type Ledger } from '../../lab/audit.ts';
import type { Owed } from '../../lab/load/books.ts';
import { unitsPerOne } from '../../lab/load/catalogue.ts';
import type { Scene } from './scene.ts';

const meter = 'api_calls';
const lookEveryMs = 100;
const postAgainMs = 100;
const postTimeoutMs = 2_000;

/**
 * How a person would find out that everything works again: an event of every shard is posted, and it is on the bill. What
 * was posted is owed like everything else.
 */
export class Probes {
  readonly #scene: Scene;
  readonly #deadlineMs: number;
  readonly #customers: string[] = [];
  readonly #run = randomBytes(4).toString('hex');
  readonly #shardOf: readonly number[];
  #look: Promise<Ledger> | undefined;

  constructor(scene: Scene, deadlineMs: number) {
    this.#scene = scene;
    this.#deadlineMs = deadlineMs;
    this.#shardOf = slotMap(scene.options.shards);
  }

  owed(): readonly Owed[] {
    const one = { meter, formula: 'sum', units: BigInt(unitsPerOne), events: 1 } as const;
    return this.#customers.map((customer) => ({ customer, ...one }));
  }

  /** Resolves once an event of every shard, posted from now on, is on the bill. */
  async billed(): Promise<void> {
    const customers = this.#customerPerShard();
    this.#customers.push(...customers);
    const events = customers.map((customer) => ({ id: customer, customer, meter }));
    const deadline = AbortSignal.timeout(this.#deadlineMs);
    for (let turn = 0; !(await this.#post(events, turn)); turn++) {
      if (deadline.aborted) throw new Error(`no sidecar has taken an event for ${this.#deadlineMs / 1_000} s`);
      await sleep(postAgainMs);
    }
    const missing = new Set(customers);
    while (missing.size > 0) {
      if (deadline.aborted) {
        const shards = [...missing].map((customer) => this.#shardOf[slotOf({ customer, meter })]);
        throw new Error(`shards ${shards.join(', ')} have billed nothing for ${this.#deadlineMs / 1_000} s`);
      }
      for (const { customer } of (await this.#nextLook()).totals) missing.delete(customer);
    }
  }

  /** Shared by all who wait: a ledger grows with the probes that it holds. */
  #nextLook(): Promise<Ledger> {
    this.#look ??= sleep(lookEveryMs)
      .then(() => fetchLedger(this.#scene.ground.simulator.url, true))
      .finally(() => {
        this.#look = undefined;
      });
    return this.#look;
  }

  /** To whichever sidecar takes them. The ids make a repetition harmless. */
  async #post(events: readonly object[], turn: number): Promise<boolean> {
    const { publishers } = this.#scene;
    const publisher = publishers[turn % publishers.length];
    if (publisher === undefined) throw new Error('there is no sidecar to post to');
    try {
      const response = await fetch(`${publisher.service.url}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(postTimeoutMs),
      });
      await response.body?.cancel();
      return response.status === 202;
    } catch {
      // Away or frozen, which is why this is asked.
      return false;
    }
  }

  #customerPerShard(): string[] {
    const customers = new Map<number, string>();
    const round = `cus_probe_${this.#run}_${this.#customers.length}`;
    for (let number = 0; customers.size < this.#scene.options.shards; number++) {
      const customer = `${round}_${number}`;
      const shard = this.#shardOf[slotOf({ customer, meter })];
      if (shard !== undefined && !customers.has(shard)) customers.set(shard, customer);
    }
    return [...customers.values()];
  }
}
