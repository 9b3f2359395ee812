import { type Environment, type ReadFile, readSettings } from '../../../shared/config/config.ts';
import { addServerRules, type HttpConfig, httpConfigOf, serverShape } from '../../../shared/config/http-config.ts';
import type { LogLevel } from '../../../shared/log/log.ts';

export interface SimulatorConfig {
  readonly http: HttpConfig;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
}

/** Throws a `ConfigError` that names every fault. */
export function parseConfig(env: Environment, readFile?: ReadFile): SimulatorConfig {
  const reading = readSettings('stripe-simulator', env, serverShape, readFile);
  addServerRules(reading, { v1: true });
  const values = reading.values();
  return { http: httpConfigOf(values), logLevel: values.logLevel, drainMs: values.drainMs };
}
