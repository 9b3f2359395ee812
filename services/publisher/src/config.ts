import { type Environment, type ReadFile, readSettings, type Secret } from '../../../shared/config/config.ts';
import { addServerRules, type HttpConfig, httpConfigOf, serverShape } from '../../../shared/config/http-config.ts';
import { settings } from '../../../shared/config/settings.ts';
import type { LogLevel } from '../../../shared/log/log.ts';

export interface PublisherConfig {
  readonly amqpUrl: Secret;
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
  readonly source: string;
  readonly region: string | undefined;
}

const shape = {
  ...serverShape,
  amqpUrl: settings.amqpUrl,
  namespace: settings.namespace,
  spoolDir: settings.spoolDir,
  spoolBytes: settings.spoolBytes,
  bodyBytesMax: settings.bodyBytesMax,
  requestEventsMax: settings.requestEventsMax,
  meters: settings.meters,
  source: settings.source,
  region: settings.region,
} as const;

/** Throws a `ConfigError` that names every fault. */
export function parseConfig(env: Environment, readFile?: ReadFile): PublisherConfig {
  const reading = readSettings('publisher', env, shape, readFile);
  addServerRules(reading, { v1: true });
  const values = reading.values();
  const { amqpUrl, namespace, logLevel, drainMs, spoolDir, spoolBytes, bodyBytesMax, requestEventsMax } = values;
  const { source, region } = values;
  const meters = values.meters === undefined ? undefined : new Set(values.meters);
  const http = httpConfigOf(values);
  return {
    amqpUrl,
    namespace,
    http,
    logLevel,
    drainMs,
    spoolDir,
    spoolBytes,
    bodyBytesMax,
    requestEventsMax,
    meters,
    source,
    region,
  };
}
