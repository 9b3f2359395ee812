import Stripe from 'stripe';
import { startBroker } from '../../../shared/testing/broker.ts';
import type { BackingService } from '../../../shared/testing/backing-service.ts';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { startRedis } from '../../../shared/testing/redis.ts';
import { UsageError } from '../../commands/program.ts';
import { fetchLedger } from '../audit.ts';
import { clearBroker, clearRedis } from '../cluster/namespace.ts';
import { meters } from '../load/catalogue.ts';

/** What the cluster stands on: private services, or with --external those of the caller's environment. */
export interface Surroundings {
  readonly amqpUrl: string;
  readonly redisUrl: string;
  /** A simulator of the caller's; undefined: the cluster starts one. */
  readonly stripe: { readonly base: string; readonly key: string } | undefined;
  /** For people: which broker, whose Redis. */
  readonly description: string;
}

/** Takes what has to be done at the end, when nothing of the cluster runs any more. */
export type AtEnd = (cleanup: () => Promise<void>) => void;

export async function openSurroundings(
  {
    external,
    namespace,
    nursery,
  }: { readonly external: boolean; readonly namespace: string; readonly nursery: Nursery },
  atEnd: AtEnd,
): Promise<Surroundings> {
  const env = external ? process.env : {};
  const { AMQP_URL: amqpUrl, REDIS_URL: redisUrl, STRIPE_API_BASE: base, STRIPE_API_KEY: key } = env;
  if (external && amqpUrl === undefined && redisUrl === undefined && base === undefined) {
    throw new UsageError('--external is given, but none of AMQP_URL, REDIS_URL and STRIPE_API_BASE is set.');
  }
  const stripe = base === undefined ? undefined : { base, key: key ?? 'sk_live_simulator' };
  if (stripe !== undefined) await prepareSimulator(stripe);

  if (amqpUrl !== undefined) atEnd(() => clearBroker(amqpUrl, namespace));
  if (redisUrl !== undefined) atEnd(() => clearRedis(redisUrl, namespace));
  const start = async <S extends BackingService>(starting: Promise<S>): Promise<S> => {
    const service = await starting;
    atEnd(() => service.stop());
    return service;
  };
  const [broker, redis] = await Promise.all([
    amqpUrl === undefined ? start(startBroker({ nursery })) : undefined,
    redisUrl === undefined ? start(startRedis({ nursery })) : undefined,
  ]);
  const brokerName =
    broker === undefined ? 'the broker of AMQP_URL' : { lavinmq: 'LavinMQ', rabbitmq: 'RabbitMQ' }[broker.kind];
  return {
    amqpUrl: broker?.url ?? amqpUrl ?? '',
    redisUrl: redis?.url ?? redisUrl ?? '',
    stripe,
    description: `${brokerName}, ${redis === undefined ? 'the Redis of REDIS_URL' : 'Redis'}`,
  };
}

/** A simulator that holds nothing yet, with the meters of the load. Real Stripe has no ledger to audit and is refused. */
async function prepareSimulator({ base, key }: { readonly base: string; readonly key: string }): Promise<void> {
  const ledger = await fetchLedger(base, true).catch((error: unknown) => {
    throw new UsageError(
      `STRIPE_API_BASE is "${base}", which is no simulator that answers; only one has a ledger to audit.`,
      {
        cause: error,
      },
    );
  });
  if (ledger.totals.length > 0) {
    throw new UsageError(`The simulator at ${base} holds usage already; POST /_sim/reset empties it.`);
  }
  const { hostname, port, protocol } = new URL(base);
  const stripe = new Stripe(key, {
    host: hostname,
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    protocol: protocol === 'https:' ? 'https' : 'http',
    telemetry: false,
  });
  const { data: known } = await stripe.billing.meters.list({ limit: 100 });
  for (const { name, formula } of meters) {
    if (known.some((meter) => meter.event_name === name)) continue;
    await stripe.billing.meters.create({ display_name: name, event_name: name, default_aggregation: { formula } });
  }
}
