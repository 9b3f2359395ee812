import { fetchLedger } from '../audit.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { RunningService } from '../cluster/service.ts';
import type { Progress } from '../load/part.ts';
import { compareNames } from './health.ts';

/** Where the usage is, at one moment. Counts of usage events unless it says otherwise. */
export interface Snapshot extends Progress {
  readonly elapsedMs: number;
  readonly billed: number;
  /** Meter events that Stripe has accepted. */
  readonly meterEvents: number;
  readonly owners: readonly { readonly name: string; readonly shards: number }[];
  /** Every shard has an owner, and no owner holds anything that is not settled. */
  readonly isSettled: boolean;
}

interface ConsumerReading {
  readonly shards: number;
  readonly billed: number;
  readonly unsettled: number;
}

const shardsDefault = 16;

/** Watches a cluster through its own metrics and the simulator's ledger. */
export class Observer {
  readonly #cluster: Cluster;
  readonly #startedAt = performance.now();
  /** By process. What a killed consumer had billed is not forgotten. */
  readonly #readings = new Map<number, ConsumerReading>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  async look(progress: Progress): Promise<Snapshot> {
    const living = this.#cluster.consumers.filter(({ exit }) => exit === undefined);
    const [ledger, ...consumers] = await Promise.all([
      fetchLedger(this.#cluster.stripeApiBase, false),
      ...living.map(async (consumer) => ({ name: consumer.name, ...(await this.#read(consumer)) })),
    ]);
    const billed = [...this.#readings.values()].reduce((sum, reading) => sum + reading.billed, 0);
    const shards = consumers.reduce((sum, consumer) => sum + consumer.shards, 0);
    return {
      ...progress,
      elapsedMs: this.elapsedMs,
      // A set that a killed consumer had half sent is counted by its heir as well.
      billed: Math.min(billed, progress.durable),
      meterEvents: ledger.events,
      owners: consumers.toSorted((left, right) => compareNames(left.name, right.name)),
      isSettled: shards === shardsDefault && consumers.every(({ unsettled }) => unsettled === 0),
    };
  }

  async #read(consumer: RunningService): Promise<ConsumerReading> {
    const { pid } = consumer;
    // One that does not answer (killed or frozen just now) is taken as it was, but not as settled.
    const metrics = await consumer.metrics().catch(() => undefined);
    const before = this.#readings.get(pid) ?? { shards: 0, billed: 0, unsettled: 1 };
    if (metrics === undefined) return { ...before, unsettled: Math.max(before.unsettled, 1) };
    const gauge = (name: string): number => metrics.sum(`tallyman_consumer_${name}`) ?? 0;
    const reading = {
      shards: gauge('shards_owned'),
      billed: gauge('events_billed_total'),
      unsettled: gauge('messages_held') + gauge('events_open') + gauge('entries_pending') + gauge('entries_deferred'),
    };
    this.#readings.set(pid, reading);
    return reading;
  }
}
