import { type Environment, type ReadFile, readSettings, type Secret } from '../../../shared/config/config.ts';
import { addServerRules, type HttpConfig, httpConfigOf, serverShape } from '../../../shared/config/http-config.ts';
import { settings } from '../../../shared/config/settings.ts';
import type { LogLevel } from '../../../shared/log/log.ts';

export interface PublisherConfig {
  readonly amqpUrl: Secret;
  readonly ca: Secret | undefined;
  readonly namespace: string;
  readonly http: HttpConfig;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly spoolDir: string;
  /** 0: no spool. */
  readonly spoolBytes: number;
  readonly bodyBytesMax: number;
  readonly requestEventsMax: number;
  /** Undefined: any meter. */
  readonly meters: ReadonlySet<string> | undefined;
  /** What the file of provision says instead. */
  readonly metersFile: Secret | undefined;
  /** Where the payload of a Stripe meter event has them. */
  readonly payloadKeys: { readonly customer: string; readonly value: string };
  /** Where CloudEvents have their value. */
  readonly cloudEventsValue: string;
  readonly source: string;
  readonly region: string | undefined;
}

const shape = {
  ...serverShape,
  amqpUrl: settings.amqpUrl,
  ca: settings.ca,
  namespace: settings.namespace,
  spoolDir: settings.spoolDir,
  spoolBytes: settings.spoolBytes,
  bodyBytesMax: settings.bodyBytesMax,
  requestEventsMax: settings.requestEventsMax,
  meters: settings.meters,
  metersFile: settings.metersFile,
  stripeCustomerKey: settings.stripeCustomerKey,
  stripeValueKey: settings.stripeValueKey,
  cloudEventsValue: settings.cloudEventsValue,
  source: settings.source,
  region: settings.region,
} as const;

/** Throws a `ConfigError` that names every fault. */
export function parseConfig(env: Environment, readFile?: ReadFile): PublisherConfig {
  const reading = readSettings('publisher', env, shape, readFile);
  addServerRules(reading, { v1: true });
  reading.rule(['stripeCustomerKey', 'stripeValueKey'], ({ stripeCustomerKey, stripeValueKey }) =>
    stripeCustomerKey === stripeValueKey
      ? `TALLYMAN_STRIPE_CUSTOMER_KEY and TALLYMAN_STRIPE_VALUE_KEY are both ${JSON.stringify(stripeValueKey)}; they must differ.`
      : undefined,
  );
  reading.rule(['meters', 'metersFile'], ({ meters, metersFile }) =>
    meters !== undefined && metersFile !== undefined
      ? 'TALLYMAN_METERS and TALLYMAN_METERS_FILE are both set; remove one of them.'
      : undefined,
  );
  const values = reading.values();
  const { amqpUrl, ca, namespace, logLevel, drainMs, spoolDir, spoolBytes, bodyBytesMax, requestEventsMax } = values;
  const { metersFile, cloudEventsValue, source, region } = values;
  const meters = values.meters === undefined ? undefined : new Set(values.meters);
  const payloadKeys = { customer: values.stripeCustomerKey, value: values.stripeValueKey };
  const http = httpConfigOf(values);
  return {
    amqpUrl,
    ca,
    namespace,
    http,
    logLevel,
    drainMs,
    spoolDir,
    spoolBytes,
    bodyBytesMax,
    requestEventsMax,
    meters,
    metersFile,
    payloadKeys,
    cloudEventsValue,
    source,
    region,
  };
}
