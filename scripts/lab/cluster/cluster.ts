import { randomBytes } from 'node:crypto';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { runCommand, startService, type RunningService, type ServiceKind } from './service.ts';

type Settings = Readonly<Record<string, string>>;

export interface ClusterOptions {
  readonly nursery: Nursery;
  readonly amqpUrl: string;
  readonly redisUrl: string;
  readonly publishers: number;
  readonly consumers: number;
  /** Default: a fresh one. */
  readonly namespace?: string;
  /** Default: that of the topology command. */
  readonly shards?: number;
  /** Where Stripe is. Default: a simulator of this cluster's own. */
  readonly stripeApiBase?: string;
  readonly stripeApiKey?: string;
  /** Where the first of a kind listens, if nobody else does. Default: on any free port. */
  readonly ports?: Readonly<Partial<Record<ServiceKind, number>>>;
  /** Where the code of publishers and consumers is. Default: here. */
  readonly project?: string;
  /** Settings of everything, the topology command too. */
  readonly common?: Settings;
  /** Settings over the defaults below, per kind of service. */
  readonly settings?: { readonly publisher?: Settings; readonly consumer?: Settings; readonly simulator?: Settings };
}

/** Publishers, consumers and a simulator, each a real process, on the given broker and Redis. */
export interface Cluster {
  readonly namespace: string;
  readonly amqpUrl: string;
  readonly redisUrl: string;
  readonly stripeApiBase: string;
  readonly stripeApiKey: string;
  readonly simulator: RunningService | undefined;
  readonly publishers: readonly RunningService[];
  readonly consumers: readonly RunningService[];
  /** With settings of its own, over those of the others of its kind. */
  addPublisher(own?: Settings): Promise<RunningService>;
  addConsumer(own?: Settings): Promise<RunningService>;
  /** Drains publishers first, then consumers, so that nothing new arrives while those settle. */
  drain(): Promise<void>;
}

/** Any key is accepted by the simulator; a live one has the live limits. */
const simulatorKey = 'sk_live_simulator';

/** Declares the topology and starts everything. What was started before a failure is the nursery's to end. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { nursery, amqpUrl, redisUrl, settings = {}, ports = {} } = options;
  const namespace = options.namespace ?? `tallyman-${randomBytes(4).toString('hex')}`;
  const common = { AMQP_URL: amqpUrl, TALLYMAN_NAMESPACE: namespace, ...options.common };
  const shards = options.shards === undefined ? {} : { TALLYMAN_SHARDS: String(options.shards) };

  const at = (kind: ServiceKind) => (ports[kind] === undefined ? {} : { port: ports[kind] });
  const [simulator] = await Promise.all([
    options.stripeApiBase === undefined
      ? startService(nursery, 'stripe-simulator', {
          name: 'stripe-simulator',
          env: settings.simulator ?? {},
          ...at('stripe-simulator'),
        })
      : undefined,
    runCommand(nursery, 'topology', { name: 'topology', env: { ...common, ...shards, REDIS_URL: redisUrl } }),
  ]);
  const stripeApiBase = options.stripeApiBase ?? simulator?.url ?? '';

  const stripeApiKey = options.stripeApiKey ?? simulatorKey;

  const publishers: RunningService[] = [];
  const consumers: RunningService[] = [];
  const numbers = { publisher: 0, consumer: 0 };
  async function add(
    kind: 'publisher' | 'consumer',
    members: RunningService[],
    env: Settings,
  ): Promise<RunningService> {
    numbers[kind] += 1;
    const code = options.project === undefined ? {} : { project: options.project };
    const place = numbers[kind] === 1 ? at(kind) : {};
    const name = `${kind}-${numbers[kind]}`;
    const member = await startService(nursery, kind, { name, env: { ...common, ...env }, ...code, ...place });
    members.push(member);
    return member;
  }
  const addPublisher = (own: Settings = {}) => add('publisher', publishers, { ...settings.publisher, ...own });
  const addConsumer = (own: Settings = {}) =>
    add('consumer', consumers, {
      ...shards,
      REDIS_URL: redisUrl,
      STRIPE_API_BASE: stripeApiBase,
      STRIPE_API_KEY: stripeApiKey,
      ...settings.consumer,
      ...own,
    });

  await Promise.all([
    ...Array.from({ length: options.publishers }, () => addPublisher()),
    ...Array.from({ length: options.consumers }, () => addConsumer()),
  ]);
  return {
    namespace,
    amqpUrl,
    redisUrl,
    stripeApiBase,
    stripeApiKey,
    simulator,
    publishers,
    consumers,
    addPublisher,
    addConsumer,
    async drain() {
      await Promise.all(publishers.map((publisher) => publisher.drain()));
      await Promise.all(consumers.map((consumer) => consumer.drain()));
    },
  };
}
