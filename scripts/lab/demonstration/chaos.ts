import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../cluster/cluster.ts';
import type { Load } from '../load/load.ts';

export interface Killing {
  readonly name: string;
  readonly pid: number;
  /** How far the load was. */
  readonly durable: number;
}

const consumerDiesAt = 0.3;
const publisherDiesAt = 0.55;
const lookEveryMs = 20;

/**
 * SIGKILLs a consumer and a sidecar in mid-load. The consumer is replaced by a new one; the sidecar comes back at its
 * address, as a restarted container does, since its applications know only that one.
 */
export async function causeChaos(
  cluster: Cluster,
  load: Load,
  events: number,
  note: (text: string) => void,
): Promise<readonly Killing[]> {
  const reach = async (share: number): Promise<number> => {
    while (load.progress.durable < events * share) await sleep(lookEveryMs);
    return load.progress.durable;
  };

  const [consumer] = cluster.consumers;
  const [publisher] = cluster.publishers;
  if (consumer === undefined || publisher === undefined) throw new Error('there is nobody to kill');

  const first: Killing = { name: consumer.name, pid: consumer.pid, durable: await reach(consumerDiesAt) };
  await consumer.kill();
  note(`  killed ${first.name} (pid ${first.pid}) with SIGKILL; starting another one`);
  await cluster.addConsumer();

  const second: Killing = { name: publisher.name, pid: publisher.pid, durable: await reach(publisherDiesAt) };
  await publisher.kill();
  note(`  killed ${second.name} (pid ${second.pid}) with SIGKILL; it is started again`);
  await publisher.restart();
  return [first, second];
}
