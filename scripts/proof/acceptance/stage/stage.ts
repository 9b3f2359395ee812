import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type ChannelModel } from 'amqplib';
import { Redis } from 'ioredis';
import { expect, onTestFinished } from 'vitest';
import type { Exit } from '../../../../shared/testing/child.ts';
import type { BackingService } from '../../../../shared/testing/backing-service.ts';
import type { CertificateFiles } from '../../../../shared/testing/authority.ts';
import { type Broker, startBroker } from '../../../../shared/testing/broker.ts';
import { openNursery, type Nursery } from '../../../../shared/testing/nursery.ts';
import { startRedis } from '../../../../shared/testing/redis.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { startCluster, type Cluster } from '../../../lab/cluster/cluster.ts';
import { runCommand, type RunningService } from '../../../lab/cluster/service.ts';
import { simulatorMeters } from '../../../lab/load/catalogue.ts';
import { giveRights, type RoleUrls } from './role-urls.ts';

type Settings = Readonly<Record<string, string>>;

export interface StageOptions {
  readonly publishers?: number;
  readonly consumers?: number;
  readonly shards?: number;
  /** What is killed, frozen or emptied is the test's own; the rest it shares with other tests. */
  readonly own?: readonly ('broker' | 'redis')[];
  /** Own broker and Redis listen with TLS too, and everything goes that way. */
  readonly tls?: CertificateFiles;
  /** Topology, publisher and consumer each get a user with the rights of their role, on own broker and Redis. */
  readonly leastRights?: boolean;
  /** Settings of everything, the topology command too. */
  readonly common?: Settings;
  readonly publisher?: Settings;
  readonly consumer?: Settings;
  readonly simulator?: Settings;
  /** Where the code of publishers and consumers is, at first. Default: here. */
  readonly project?: string;
}

/** A whole system of real processes for one test. It is gone when the test is over. */
export interface Stage {
  readonly cluster: Cluster;
  readonly nursery: Nursery;
  /** Only if it is the test's own. */
  readonly broker: Broker;
  readonly redis: BackingService;
  readonly shards: number;
  readonly simulatorUrl: string;
  /** What each role connects to. */
  readonly urls: RoleUrls;
  /** For the test to look into; reconnects by itself. */
  readonly journal: Redis;
  /** A connection to the broker, closed when the test is over. */
  connectToBroker(): Promise<ChannelModel>;
  /** `tallyman topology`, `tallyman recover`: resolves once it has ended with 0. */
  run(command: 'topology' | 'recover' | 'entries' | 'status', ...args: readonly string[]): Promise<void>;
  /** What is alive, without the simulator. */
  services(): readonly RunningService[];
}

/** Short enough that a test sees flushes and takeovers, long enough for a machine that does something else as well. */
export const leaseMs = 3_000;
const consumerSettings = {
  TALLYMAN_FLUSH_INTERVAL_MS: '500',
  TALLYMAN_LEASE_MS: String(leaseMs),
};
const simulatorSettings = {
  TALLYMAN_SIM_METERS: simulatorMeters,
  TALLYMAN_SIM_LATENCY: 'lognormal:40:150',
};
const defaultShards = 16;

/** Only within a test: what it starts ends with the test, and a test that fails shows what the processes said last. */
export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const { publishers = 1, consumers = 1, shards = defaultShards, own = [], leastRights = false, common = {} } = options;
  const tls = options.tls === undefined ? {} : { tls: options.tls };
  const nursery = await openNursery();
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') await showLastLines(nursery);
    await nursery.close();
  });
  const shared = sharedServices();
  const [broker, redis] = await Promise.all([
    own.includes('broker') ? startBroker({ nursery, management: leastRights, ...tls }) : undefined,
    own.includes('redis') ? startRedis({ nursery, ...tls }) : undefined,
  ]);
  const amqpUrl = broker?.url ?? shared.amqpUrl;
  const redisUrl = redis?.url ?? shared.redisUrl;
  const same = { amqp: broker?.tlsUrl ?? amqpUrl, redis: redis?.tlsUrl ?? redisUrl };
  const urls: RoleUrls = leastRights
    ? await giveRights(owned(broker), owned(redis), shared.namespace)
    : { topology: same.amqp, publisher: same.amqp, consumer: same.amqp, redis: same.redis };
  const cluster = await startCluster({
    nursery,
    amqpUrl: urls.topology,
    redisUrl: urls.redis,
    common,
    namespace: shared.namespace,
    publishers,
    consumers,
    shards,
    ...(options.project === undefined ? {} : { project: options.project }),
    settings: {
      publisher: { AMQP_URL: urls.publisher, ...options.publisher },
      consumer: { AMQP_URL: urls.consumer, ...consumerSettings, ...options.consumer },
      simulator: { ...simulatorSettings, ...options.simulator },
    },
  });
  const { simulator } = cluster;
  if (simulator === undefined) throw new Error('a stage has a simulator of its own');
  const journal = new Redis(redisUrl, { maxRetriesPerRequest: null });
  journal.on('error', () => {
    // The test may be taking it away just now.
  });
  onTestFinished(() => journal.disconnect());

  return {
    cluster,
    nursery,
    shards,
    journal,
    simulatorUrl: simulator.url,
    urls,
    get broker() {
      return owned(broker);
    },
    get redis() {
      return owned(redis);
    },
    async connectToBroker() {
      const connection = await connect(amqpUrl);
      onTestFinished(() => connection.close());
      return connection;
    },
    run(script, ...args) {
      const env = {
        ...common,
        AMQP_URL: urls.topology,
        REDIS_URL: urls.redis,
        TALLYMAN_NAMESPACE: cluster.namespace,
        TALLYMAN_SHARDS: String(shards),
      };
      return runCommand(nursery, script, { name: script, env, args });
    },
    services: () => [...cluster.publishers, ...cluster.consumers].filter(({ exit }) => exit === undefined),
  };
}

function owned<T extends BackingService>(service: T | undefined): T {
  if (service === undefined) throw new Error('this one is shared with other tests; ask for an own one');
  return service;
}

/** The service at this place; without one, the first. */
export function pick(services: readonly RunningService[], place = 0): RunningService {
  const service = services[place];
  if (service === undefined) throw new Error(`there is no service at place ${place}`);
  return service;
}

const shownLines = 15;

async function showLastLines({ folder }: Nursery): Promise<void> {
  const logs = (await readdir(folder)).filter((file) => file.endsWith('.log')).sort();
  for (const log of logs) {
    const lines = (await readFile(join(folder, log), 'utf8')).trimEnd().split('\n');
    console.error(`--- ${log}\n${lines.slice(-shownLines).join('\n')}`);
  }
}

/** Drains everything that is alive, sidecars first, and expects that each of them ends with 0. */
export async function drainAll(stage: Stage): Promise<void> {
  const alive = stage.services();
  await stage.cluster.drain();
  const clean: Exit = { code: 0, signal: null };
  expect(Object.fromEntries(alive.map(({ name, exit }) => [name, exit]))).toEqual(
    Object.fromEntries(alive.map(({ name }) => [name, clean])),
  );
}
