import { Gauge } from 'prom-client';
import type { Registry } from '../../../../shared/metrics/metrics.ts';
import { shardName } from '../../../../shared/topology/names.ts';
import type { Stock } from './stock.ts';

/** Every consumer tells them of the whole cluster: take the maximum over consumers, then the sum. */
export function registerStockMetrics(registry: Registry, stock: () => Stock | undefined): void {
  const registers = [registry];
  new Gauge({
    name: 'tallyman_consumer_queue_messages',
    help: 'Messages in a shard queue that no consumer has taken',
    labelNames: ['queue'],
    registers,
    collect() {
      this.reset();
      for (const [queue, ready] of stock()?.queues ?? []) this.set({ queue }, ready);
    },
  });
  new Gauge({
    name: 'tallyman_consumer_entries_parked',
    help: 'Entries that are dead or in doubt in the journal of a shard now, until a person decides',
    labelNames: ['shard', 'state'],
    registers,
    collect() {
      this.reset();
      for (const [index, { dead, inDoubt }] of stock()?.parked ?? []) {
        const shard = shardName(index);
        this.set({ shard, state: 'dead' }, dead);
        this.set({ shard, state: 'in_doubt' }, inDoubt);
      }
    },
  });
  new Gauge({
    name: 'tallyman_consumer_dead_letters',
    help: 'Messages in the dead-letter queue now',
    registers,
    collect() {
      this.reset();
      const letters = stock()?.deadLetters;
      if (letters === undefined) this.remove();
      else this.set(letters);
    },
  });
  new Gauge({
    name: 'tallyman_consumer_topology_missing',
    help: 'Exchanges and queues of the topology that the broker does not have',
    registers,
    collect() {
      this.set(stock()?.missing.length ?? 0);
    },
  });
}
