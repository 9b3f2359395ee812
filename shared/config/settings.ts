import { hostname } from 'node:os';
import * as kinds from './kinds.ts';
import { optional, optionalFile, optionalSecret, type Service, type Setting, withDefault } from './setting.ts';
import { connectionSettings } from './connection-settings.ts';
import { simulatorSettings } from './simulator-settings.ts';

/**
 * Every setting of every process (ARCHITECTURE.md 3.3). Which of them a process takes, and what must hold between them, stands
 * in its `config.ts`; its README repeats its part of this table, and a test compares the two.
 */
const servers: readonly Service[] = ['publisher', 'consumer', 'dashboard', 'stripe-simulator'];
const ports: Readonly<Record<Service, number>> = {
  publisher: 7070,
  consumer: 7071,
  dashboard: 7072,
  'stripe-simulator': 7073,
  scripts: 0,
};

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

const milliseconds = (minimum: number, maximum: number) => kinds.integer(minimum, maximum, 'milliseconds');

export const settings = {
  ...connectionSettings,
  region: optional({
    name: 'AWS_REGION',
    services: ['publisher'],
    meaning: 'region that messages say they come from',
    kind: kinds.text(64),
  }),
  source: withDefault(
    {
      name: 'HOSTNAME',
      services: ['publisher'],
      meaning: 'host or pod that messages say they come from',
      kind: kinds.text(255),
    },
    hostname,
  ),
  podName: optional({
    name: 'POD_NAME',
    services: ['consumer'],
    meaning: 'name of the pod that this consumer is, on Kubernetes',
    kind: kinds.text(253),
  }),
  podNamespace: optional({
    name: 'POD_NAMESPACE',
    services: ['consumer'],
    meaning: 'namespace of that pod; with both, the consumer notes on its pod what it costs to delete it',
    kind: kinds.text(63),
  }),
  namespace: withDefault(
    {
      name: 'TALLYMAN_NAMESPACE',
      services: ['publisher', 'consumer', 'dashboard', 'scripts'],
      meaning: 'prefix of exchange, queues and Redis keys',
      kind: kinds.namespace,
    },
    'tallyman',
  ),
  shards: withDefault(
    {
      name: 'TALLYMAN_SHARDS',
      services: ['consumer', 'dashboard', 'scripts'],
      meaning: 'number of shard queues, as the topology was declared with',
      kind: kinds.integer(1, 64, 'shards'),
    },
    16,
  ),
  flushEvents: withDefault(
    {
      name: 'TALLYMAN_FLUSH_EVENTS',
      services: ['consumer'],
      meaning: 'seal the set of a shard at this many events',
      kind: kinds.integer(1, 10_000_000, 'events'),
    },
    50_000,
  ),
  flushIntervalMs: withDefault(
    {
      name: 'TALLYMAN_FLUSH_INTERVAL_MS',
      services: ['consumer'],
      meaning: 'or seal it when its oldest event has been held this long',
      kind: milliseconds(10, 24 * hourMs),
    },
    5 * minuteMs,
  ),
  windowMs: withDefault(
    {
      name: 'TALLYMAN_WINDOW_MS',
      services: ['consumer'],
      meaning: 'length of an event-time window',
      kind: milliseconds(1_000, 24 * hourMs),
    },
    5 * minuteMs,
  ),
  windowMaxMs: withDefault(
    {
      name: 'TALLYMAN_WINDOW_MAX_MS',
      services: ['consumer'],
      meaning: 'how far windows may be coarsened while demand is near the budget of the provider',
      kind: milliseconds(1_000, 24 * hourMs),
    },
    hourMs,
  ),
  dedupWindowMs: withDefault(
    {
      name: 'TALLYMAN_DEDUP_WINDOW_MS',
      services: ['consumer'],
      meaning: 'how long event ids given by clients are remembered',
      kind: milliseconds(1_000, 7 * 24 * hourMs),
    },
    hourMs,
  ),
  dedupMaxIds: withDefault(
    {
      name: 'TALLYMAN_DEDUP_MAX_IDS',
      services: ['consumer'],
      meaning: 'most event ids remembered per shard; at the maximum the window shortens',
      kind: kinds.integer(1_000, 100_000_000, 'ids'),
    },
    4_000_000,
  ),
  stripeRatePerS: optional({
    name: 'TALLYMAN_STRIPE_RATE_PER_S',
    services: ['consumer'],
    meaning: 'calls per second for the whole cluster',
    kind: kinds.integer(1, 100_000, 'calls per second'),
  }),
  stripeShare: withDefault(
    {
      name: 'TALLYMAN_STRIPE_SHARE',
      services: ['consumer'],
      meaning: 'part of the rate of the account that is ours',
      kind: kinds.share,
    },
    1,
  ),
  stripeConcurrency: withDefault(
    {
      name: 'TALLYMAN_STRIPE_CONCURRENCY',
      services: ['consumer'],
      meaning: 'calls in flight per consumer, at most one per lane',
      kind: kinds.integer(1, 10_000, 'calls'),
    },
    256,
  ),
  stripeTimeoutMs: optional({
    name: 'TALLYMAN_STRIPE_TIMEOUT_MS',
    services: ['consumer'],
    meaning: 'timeout of one call, shorter than the lease',
    kind: milliseconds(100, 5 * minuteMs),
  }),
  leaseMs: withDefault(
    {
      name: 'TALLYMAN_LEASE_MS',
      services: ['consumer'],
      meaning: 'the shards of a dead owner move within this time',
      kind: milliseconds(1_000, 5 * minuteMs),
    },
    10_000,
  ),
  drainMs: withDefault(
    {
      name: 'TALLYMAN_DRAIN_MS',
      services: servers,
      meaning: 'time to finish after SIGTERM',
      kind: milliseconds(0, hourMs),
    },
    25_000,
  ),
  spoolDir: withDefault(
    {
      name: 'TALLYMAN_SPOOL_DIR',
      services: ['publisher'],
      meaning: 'folder of the spool',
      kind: kinds.text(4_096),
    },
    './spool',
  ),
  spoolBytes: withDefault(
    {
      name: 'TALLYMAN_SPOOL_BYTES',
      services: ['publisher'],
      meaning: 'most bytes in the spool; 0 is no spool',
      // Less would not hold the requests of one second, and 202 would turn into 503 at the first hiccup.
      kind: kinds.integerOrNone(mebibyte, 1024 * gibibyte, 'bytes'),
    },
    gibibyte,
  ),
  bodyBytesMax: withDefault(
    {
      name: 'TALLYMAN_BODY_BYTES_MAX',
      services: ['publisher'],
      meaning: 'most bytes of one request',
      kind: kinds.integer(1_024, gibibyte, 'bytes'),
    },
    8 * mebibyte,
  ),
  requestEventsMax: withDefault(
    {
      name: 'TALLYMAN_REQUEST_EVENTS_MAX',
      services: ['publisher'],
      meaning: 'most events of one request',
      kind: kinds.integer(1, 1_000_000, 'events'),
    },
    10_000,
  ),
  meters: optional({
    name: 'TALLYMAN_METERS',
    services: ['publisher'],
    meaning: 'meters that are taken; any if not set',
    kind: kinds.list(kinds.text(100)),
  }),
  metersFile: optionalFile({
    name: 'TALLYMAN_METERS_FILE',
    services: ['publisher'],
    meaning: 'the file of tallyman provision whose meters are taken',
    kind: kinds.document,
  }),
  stripeCustomerKey: withDefault(
    {
      name: 'TALLYMAN_STRIPE_CUSTOMER_KEY',
      services: ['publisher'],
      meaning: 'key of the payload of a Stripe meter event that holds the customer',
      kind: kinds.text(100),
    },
    'stripe_customer_id',
  ),
  stripeValueKey: withDefault(
    {
      name: 'TALLYMAN_STRIPE_VALUE_KEY',
      services: ['publisher'],
      meaning: 'key of the payload of a Stripe meter event that holds the value',
      kind: kinds.text(100),
    },
    'value',
  ),
  cloudEventsValue: withDefault(
    {
      name: 'TALLYMAN_CLOUDEVENTS_VALUE',
      services: ['publisher'],
      meaning: 'where CloudEvents have their value; 1: each counts 1, whatever its data',
      kind: kinds.dataPlace,
    },
    'data.value',
  ),
  ...simulatorSettings,
  token: optionalSecret({
    name: 'TALLYMAN_TOKEN',
    services: servers,
    meaning: 'bearer token for /v1/*',
    kind: kinds.headerSafe,
  }),
  socket: optional({
    name: 'TALLYMAN_SOCKET',
    services: servers,
    meaning: 'listen on this Unix socket instead of host and port',
    kind: kinds.socketPath,
  }),
  socketMode: optional({
    name: 'TALLYMAN_SOCKET_MODE',
    services: servers,
    meaning: 'rights of that socket, such as 660; what the umask leaves if not set',
    kind: kinds.fileMode,
  }),
  host: withDefault(
    { name: 'TALLYMAN_HOST', services: servers, meaning: 'address to listen on', kind: kinds.host },
    '127.0.0.1',
  ),
  port: withDefault(
    { name: 'TALLYMAN_PORT', services: servers, meaning: 'port to listen on; 0 takes a free one', kind: kinds.port },
    (service) => ports[service],
  ),
  adminHost: optional({
    name: 'TALLYMAN_ADMIN_HOST',
    services: servers,
    meaning: 'second address for /healthz, /readyz and /metrics alone',
    kind: kinds.host,
  }),
  adminPort: optional({
    name: 'TALLYMAN_ADMIN_PORT',
    services: servers,
    meaning: 'port of the second address; 0 takes a free one',
    kind: kinds.port,
  }),
  logLevel: withDefault(
    {
      name: 'TALLYMAN_LOG_LEVEL',
      services: servers,
      meaning: 'what is logged',
      kind: kinds.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    },
    'info',
  ),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export const allSettings: readonly Setting<unknown>[] = Object.values(settings);
