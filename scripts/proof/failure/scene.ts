import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../../shared/testing/until.ts';
import { type Cluster, startCluster } from '../../lab/cluster/cluster.ts';
import { clearBroker, clearRedis } from '../../lab/cluster/namespace.ts';
import type { RunningService } from '../../lab/cluster/service.ts';
import type { Ground } from './ground.ts';
import type { Answering, PointName } from './points/points.ts';
import { Proxy } from './proxy.ts';

/** A service that reaches the others only through proxies of its own, and can be held at a point. */
export interface Member {
  readonly service: RunningService;
  /** By who answers on it; `publisher` is the way of the clients to this sidecar. */
  readonly links: ReadonlyMap<Answering, Proxy>;
  /** It is to stop itself when it comes to this point for the `time`th time. */
  arm(point: PointName, time: number): void;
  /** It has stopped there. */
  hasReached(point: PointName): boolean;
}

export interface SceneOptions {
  readonly publishers: number;
  readonly consumers: number;
  readonly shards: number;
  readonly leaseMs: number;
  readonly flushIntervalMs: number;
  /** Only where points are armed. */
  readonly failpoints: boolean;
}

/** One cluster on the ground, with nothing of an earlier one in the ledger. */
export interface Scene {
  readonly ground: Ground;
  readonly options: SceneOptions;
  readonly cluster: Cluster;
  readonly publishers: readonly Member[];
  readonly consumers: readonly Member[];
  /** Ends every process at once and removes queues and keys. */
  close(): Promise<void>;
}

const failpoints = new URL('points/failpoints.ts', import.meta.url).href;
const drainMs = 10_000;

export async function openScene(ground: Ground, options: SceneOptions): Promise<Scene> {
  await fetch(`${ground.simulator.url}/_sim/reset`, { method: 'POST', signal: AbortSignal.timeout(5_000) });
  const namespace = `chaos-${randomBytes(4).toString('hex')}`;
  const { nursery, broker, redis, simulator } = ground;
  const proxies: Proxy[] = [];
  const cluster = await startCluster({
    nursery,
    namespace,
    amqpUrl: broker.url,
    redisUrl: redis.url,
    stripeApiBase: simulator.url,
    shards: options.shards,
    publishers: 0,
    consumers: 0,
    settings: {
      publisher: { TALLYMAN_DRAIN_MS: String(drainMs) },
      consumer: {
        TALLYMAN_DRAIN_MS: String(drainMs),
        TALLYMAN_FLUSH_INTERVAL_MS: String(options.flushIntervalMs),
        TALLYMAN_LEASE_MS: String(options.leaseMs),
        TALLYMAN_STRIPE_RATE_PER_S: '1000',
      },
    },
  });

  async function proxy(url: string): Promise<Proxy> {
    const started = await Proxy.start(url);
    proxies.push(started);
    return started;
  }

  async function add(kind: 'publisher' | 'consumer', number: number): Promise<Member> {
    const folder = join(nursery.folder, namespace, `${kind}-${number}`);
    mkdirSync(folder, { recursive: true });
    const held = { NODE_OPTIONS: `--import=${failpoints}`, FAILPOINT_FOLDER: folder };
    const env = { ...(options.failpoints ? held : {}), TALLYMAN_SPOOL_DIR: join(folder, 'spool') };
    const toBroker = await proxy(broker.url);
    const links = new Map<Answering, Proxy>([['broker', toBroker]]);
    let service: RunningService;
    if (kind === 'publisher') {
      service = await cluster.addPublisher({ ...env, AMQP_URL: toBroker.url });
      links.set('publisher', await proxy(service.url));
    } else {
      const [toRedis, toProvider] = await Promise.all([proxy(redis.url), proxy(simulator.url)]);
      links.set('redis', toRedis).set('provider', toProvider);
      const addresses = { AMQP_URL: toBroker.url, REDIS_URL: toRedis.url, STRIPE_API_BASE: toProvider.url };
      service = await cluster.addConsumer({ ...env, ...addresses });
    }
    return {
      service,
      links,
      arm: (point, time) => writeFileSync(join(folder, point), String(time)),
      hasReached: (point) => existsSync(join(folder, `${point}.reached`)),
    };
  }

  async function close(): Promise<void> {
    await Promise.all([...cluster.publishers, ...cluster.consumers].map((service) => service.kill()));
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await until(() => clearBroker(broker.url, namespace), { deadlineMs: 30_000 });
    await clearRedis(redis.url, namespace);
  }

  const many = (kind: 'publisher' | 'consumer', count: number): Promise<Member[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => add(kind, index + 1)));
  try {
    const [publishers, consumers] = await Promise.all([
      many('publisher', options.publishers),
      many('consumer', options.consumers),
    ]);
    return { ground, options, cluster, publishers, consumers, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** This member's connection to who answers. */
export function linkOf({ service, links }: Member, answering: Answering): Proxy {
  const link = links.get(answering);
  if (link === undefined) throw new Error(`${service.name} has no connection to the ${answering}`);
  return link;
}
