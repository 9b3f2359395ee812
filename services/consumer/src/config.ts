import { type Environment, type ReadFile, readSettings, type Secret } from '../../../shared/config/config.ts';
import { addServerRules, type HttpConfig, httpConfigOf, serverShape } from '../../../shared/config/http-config.ts';
import { settings } from '../../../shared/config/settings.ts';
import { stripeKeyFault } from '../../../shared/config/stripe-key.ts';
import type { LogLevel } from '../../../shared/log/log.ts';

export interface ConsumerConfig {
  readonly amqpUrl: Secret;
  readonly redisUrl: Secret;
  readonly ca: Secret | undefined;
  readonly stripeApiKey: Secret;
  /** Origin, without a slash at its end. */
  readonly stripeApiBase: string;
  readonly namespace: string;
  readonly shards: number;
  readonly http: HttpConfig;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly flushEvents: number;
  readonly flushIntervalMs: number;
  readonly windowMs: number;
  readonly windowMaxMs: number;
  readonly dedupWindowMs: number;
  /** Per shard. */
  readonly dedupMaxIds: number;
  /** The rate of the account, before `stripeShare` is taken of it; undefined: as the provider has it for this kind of key. */
  readonly stripeRatePerS: number | undefined;
  readonly stripeShare: number;
  readonly stripeConcurrency: number;
  readonly stripeTimeoutMs: number;
  readonly leaseMs: number;
  /** Where this consumer runs on Kubernetes; undefined: nothing is told to its API. */
  readonly pod: { readonly name: string; readonly namespace: string } | undefined;
}

const shape = {
  ...serverShape,
  amqpUrl: settings.amqpUrl,
  redisUrl: settings.redisUrl,
  ca: settings.ca,
  stripeApiKey: settings.stripeApiKey,
  stripeApiBase: settings.stripeApiBase,
  namespace: settings.namespace,
  shards: settings.shards,
  flushEvents: settings.flushEvents,
  flushIntervalMs: settings.flushIntervalMs,
  windowMs: settings.windowMs,
  windowMaxMs: settings.windowMaxMs,
  dedupWindowMs: settings.dedupWindowMs,
  dedupMaxIds: settings.dedupMaxIds,
  stripeRatePerS: settings.stripeRatePerS,
  stripeShare: settings.stripeShare,
  stripeConcurrency: settings.stripeConcurrency,
  stripeTimeoutMs: settings.stripeTimeoutMs,
  leaseMs: settings.leaseMs,
  podName: settings.podName,
  podNamespace: settings.podNamespace,
} as const;

/** Throws a `ConfigError` that names every fault. */
export function parseConfig(env: Environment, readFile?: ReadFile): ConsumerConfig {
  const reading = readSettings('consumer', env, shape, readFile);
  addServerRules(reading, { v1: false });
  reading.rule(['stripeApiKey', 'stripeApiBase'], ({ stripeApiKey, stripeApiBase }) =>
    stripeKeyFault(stripeApiKey, stripeApiBase),
  );
  reading.rule(['windowMs', 'windowMaxMs'], ({ windowMs, windowMaxMs }) =>
    windowMaxMs >= windowMs
      ? undefined
      : `TALLYMAN_WINDOW_MAX_MS is ${windowMaxMs}; it must be at least TALLYMAN_WINDOW_MS, which is ${windowMs}.`,
  );
  reading.rule(['leaseMs', 'stripeTimeoutMs'], ({ leaseMs, stripeTimeoutMs }) =>
    stripeTimeoutMs === undefined || stripeTimeoutMs < leaseMs
      ? undefined
      : `TALLYMAN_STRIPE_TIMEOUT_MS is ${stripeTimeoutMs}; it must be at most ${leaseMs - 1}, less than TALLYMAN_LEASE_MS, ` +
        'because a call that outlives the lease could be repeated by the next owner at the same time.',
  );
  const { host, port, socket, token, adminHost, adminPort, podName, podNamespace, ...values } = reading.values();
  return {
    ...values,
    http: httpConfigOf({ ...values, host, port, socket, token, adminHost, adminPort }),
    stripeTimeoutMs: values.stripeTimeoutMs ?? Math.floor(values.leaseMs / 2),
    pod: podName === undefined || podNamespace === undefined ? undefined : { name: podName, namespace: podNamespace },
  };
}

export function isLiveKey(key: string): boolean {
  return key.startsWith('sk_live_') || key.startsWith('rk_live_');
}
