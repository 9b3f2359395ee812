import { hashPassword } from '../../../shared/testing/containers.ts';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { until } from '../../../shared/testing/until.ts';
import { simulatorMeters } from '../../lab/load/catalogue.ts';
import type { Engine } from './engine.ts';
import type { Images } from './images.ts';
import { brokerPassword, brokerUser, standInBroker } from './stand-in-broker.ts';

/**
 * A whole system in containers, on networks as in production:
 *
 *   pod: app + sidecar ──(broker network)── broker ──(broker network)── consumers ──(state network)── Redis
 *                                                                      └──────(outside)── simulated Stripe
 *
 * The app shares the sidecar's network, as containers of one pod do, and posts to 127.0.0.1. Broker and state networks are
 * internal: nobody on them reaches anything else. Only consumers are on all three.
 */
export interface Stack {
  readonly consumers: readonly string[];
  /** Adds a container that runs a service or a script, hardened as in production. */
  readonly start: (container: ContainerOptions) => Promise<void>;
  /** Runs JavaScript in a container; resolves with what it printed. */
  readonly evaluate: (container: string, code: string) => Promise<string>;
  readonly untilReady: (container: string) => Promise<void>;
  readonly addressOf: (container: string, network: string) => Promise<string>;
}

export interface ContainerOptions {
  readonly name: string;
  readonly networks: readonly string[];
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly more?: readonly string[];
  /** Not ours, and not hardened. */
  readonly isForeign?: boolean;
}

export const networks = { broker: 'broker-private', state: 'state-private', outside: 'outside' } as const;

/** As in k8s/: no root, no writing, no rights, no way to get any. */
export const hardening = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];

const stripeKey = 'sk_live_simulator';
const ports: Readonly<Record<string, number>> = { sidecar: 7070, simulator: 7073 };
const consumerPort = 7071;
const startDeadlineMs = 90_000;
/** Of the container that holds the network of app and sidecar, so that it outlives both, as a pod's does. */
const podNetwork = ['container:pod'];

/** Networks, broker and Redis: they start while the product's image is still being built. */
export async function startBacking(engine: Engine, nursery: Nursery, images: Images): Promise<void> {
  const { docker } = engine;
  // `outside` is internal as well: nothing of this test leaves the machine. It is another network than the others, which is what counts.
  for (const network of Object.values(networks)) await docker('network', 'create', '--internal', network);
  const start = starter(engine);
  await startBroker(start, nursery, images);
  await start({
    name: 'redis',
    networks: [networks.state],
    isForeign: true,
    more: ['--entrypoint', 'redis-server'],
    command: [
      images.redis,
      ...'--appendonly yes --appendfsync always --protected-mode no --dir /tmp'.split(' '),
      '--save',
      '',
    ],
  });
}

/** Everything else, on what `startBacking` has started. */
export async function startStack(engine: Engine, images: Images): Promise<Stack> {
  const { docker } = engine;
  const start = starter(engine);
  const evaluate = (container: string, code: string) =>
    docker('exec', container, 'node', '--input-type=module', '--eval', code);
  // Asked from inside, by one process that goes on asking: to start one for every question would take what is being waited for its time.
  const untilReady = async (container: string): Promise<void> => {
    const url = `http://127.0.0.1:${ports[container] ?? consumerPort}/readyz`;
    await evaluate(
      container,
      `const isReady = () => fetch(${JSON.stringify(url)}).then(({ ok }) => ok, () => false);
       const giveUp = setTimeout(() => { console.error('not ready'); process.exit(1); }, ${startDeadlineMs});
       while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 100));
       clearTimeout(giveUp);`,
    );
  };

  const backing = {
    AMQP_URL: `amqp://${brokerUser}:${brokerPassword}@broker:5672`,
    REDIS_URL: 'redis://redis:6379',
  };
  await start({
    name: 'simulator',
    networks: [networks.outside],
    command: [images.laboratory, 'services/stripe-simulator/src/main.ts'],
    env: {
      TALLYMAN_HOST: '0.0.0.0',
      TALLYMAN_TOKEN: stripeKey,
      TALLYMAN_SIM_METERS: simulatorMeters,
      TALLYMAN_SIM_LATENCY: 'lognormal:40:150',
    },
  });
  await declareTopology(engine, images, start, backing);

  await start({
    name: 'pod',
    networks: [networks.broker],
    command: [images.tallyman, '--eval', 'process.on("SIGTERM", () => process.exit()); setInterval(() => {}, 1e6)'],
  });
  await start({
    name: 'sidecar',
    networks: podNetwork,
    command: [images.tallyman, 'services/publisher/src/main.ts'],
    env: { AMQP_URL: backing.AMQP_URL },
    more: ['--volume', 'spool:/spool'],
  });
  const consumers = ['consumer-1', 'consumer-2', 'consumer-3'];
  await Promise.all(
    consumers.map((name) =>
      start({
        name,
        networks: [networks.broker, networks.state, networks.outside],
        command: [images.tallyman, 'services/consumer/src/main.ts'],
        env: {
          ...backing,
          STRIPE_API_KEY: stripeKey,
          STRIPE_API_BASE: 'http://simulator:7073',
          TALLYMAN_HOST: '0.0.0.0',
          TALLYMAN_FLUSH_INTERVAL_MS: '500',
          TALLYMAN_LEASE_MS: '3000',
        },
      }),
    ),
  );
  await Promise.all(['simulator', 'sidecar', ...consumers].map(untilReady));
  return {
    consumers,
    start,
    evaluate,
    untilReady,
    addressOf: (container, network) =>
      docker('inspect', '--format', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container),
  };
}

type Start = Stack['start'];

function starter({ docker }: Engine): Start {
  return async ({ name, networks: [first = '', ...others], command, env = {}, more = [], isForeign = false }) => {
    const settings = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    const limits = isForeign ? [] : hardening;
    await docker('create', '--name', name, '--network', first, ...limits, ...settings, ...more, ...command);
    for (const network of others) await docker('network', 'connect', network, name);
    await docker('start', name);
  };
}

async function startBroker(start: Start, nursery: Nursery, { broker }: Images): Promise<void> {
  const place = { name: 'broker', networks: [networks.broker], isForeign: true, command: [broker.image] };
  if (broker.kind === 'lavinmq') {
    const env = { LAVINMQ_DEFAULT_USER: brokerUser, LAVINMQ_DEFAULT_PASSWORD: hashPassword(brokerPassword) };
    await start({ ...place, env });
    return;
  }
  const { program, env, volume } = await standInBroker(nursery);
  await start({ ...place, env, more: ['--volume', volume, '--entrypoint', program] });
}

/** The topology command runs in the image too, as the Job does. Its broker may still be starting. */
async function declareTopology(
  engine: Engine,
  images: Images,
  start: Start,
  env: ContainerOptions['env'],
): Promise<void> {
  const name = 'topology';
  await until(
    async () => {
      await engine.docker('rm', '--force', name).catch(() => undefined);
      const all = [networks.broker, networks.state];
      await start({
        name,
        networks: all,
        command: [images.tallyman, 'scripts/commands/tallyman.ts', 'topology'],
        ...(env === undefined ? {} : { env }),
      });
      const status = await engine.docker('wait', name);
      if (status !== '0')
        throw new Error(`the topology command ended with ${status}: ${await engine.docker('logs', name)}`);
    },
    { deadlineMs: startDeadlineMs, intervalMs: 1_000 },
  );
}

/** The application: of the network it sees only what the sidecar sees. */
export function appOptions(images: Images, events: number): ContainerOptions {
  return {
    name: 'app',
    networks: podNetwork,
    command: [images.laboratory, 'scripts/lab/load/send.ts', String(events)],
  };
}
