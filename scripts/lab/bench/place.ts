import { availableParallelism, cpus, loadavg } from 'node:os';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { startBroker } from '../../../shared/testing/broker.ts';
import { startRedis } from '../../../shared/testing/redis.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../cluster/cluster.ts';
import { simulatorMeters } from '../load/catalogue.ts';

/** Private broker and Redis, on which one cluster after the other runs. */
export interface Place {
  readonly nursery: Nursery;
  readonly broker: { readonly kind: 'lavinmq' | 'rabbitmq'; readonly url: string };
  readonly redisUrl: string;
  /** Of the nursery's children, those that are no service of ours. */
  readonly backingPids: ReadonlyMap<string, number>;
}

export async function openPlace(nursery: Nursery): Promise<Place> {
  const [broker, redis] = await Promise.all([startBroker({ nursery }), startRedis({ nursery })]);
  const backingPids = new Map<string, number>();
  for (const { name, pid } of nursery.children) {
    // `rabbitmq-5672` → `rabbitmq`; its port mapper does nothing worth a line.
    const kind = name.replace(/-\d+$/, '');
    if (kind !== 'epmd') backingPids.set(kind, pid);
  }
  return { nursery, broker: { kind: broker.kind, url: broker.url }, redisUrl: redis.url, backingPids };
}

export interface Size {
  readonly publishers: number;
  readonly consumers: number;
  /** A folder for CPU profiles of the services. */
  readonly profile: string | undefined;
}

/** A cluster with a fresh namespace and a simulator of its own. Whatever `settings` do not name is as in production. */
export function openCluster(
  place: Place,
  { publishers, consumers, profile }: Size,
  settings: NonNullable<ClusterOptions['settings']>,
): Promise<Cluster> {
  const profiling = profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` };
  return startCluster({
    nursery: place.nursery,
    amqpUrl: place.broker.url,
    redisUrl: place.redisUrl,
    publishers,
    consumers,
    settings: {
      publisher: { ...profiling, ...settings.publisher },
      consumer: { ...profiling, ...settings.consumer },
      simulator: { ...profiling, TALLYMAN_SIM_METERS: simulatorMeters, ...settings.simulator },
    },
  });
}

export function pidsOf(place: Place, cluster: Cluster): Map<string, number> {
  const pids = new Map(place.backingPids);
  const members = [...cluster.publishers, ...cluster.consumers];
  // They are listed in the order in which they became ready.
  const named = members.toSorted((left, right) => left.name.localeCompare(right.name, 'en', { numeric: true }));
  for (const service of [cluster.simulator, ...named]) if (service !== undefined) pids.set(service.name, service.pid);
  return pids.set('load', process.pid);
}

export function describeMachine({ broker }: Place): string {
  const product = { lavinmq: 'LavinMQ', rabbitmq: 'RabbitMQ' }[broker.kind];
  const [load = 0] = loadavg();
  return (
    `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}, ${product}, ` +
    `Redis with appendfsync always; load average before: ${load.toFixed(1)}`
  );
}
