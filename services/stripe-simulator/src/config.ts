import { readFileSync } from 'node:fs';
import { type Environment, type ReadFile, readSettings } from '../../../shared/config/config.ts';
import { addServerRules, type HttpConfig, httpConfigOf, serverShape } from '../../../shared/config/http-config.ts';
import { settings } from '../../../shared/config/settings.ts';
import type { LogLevel } from '../../../shared/log/log.ts';
import { faultShape, parseFaults } from './rules/faults.ts';
import {
  type Latency,
  latencyFile,
  latencyFileShape,
  latencyShape,
  parseLatency,
  parseLatencyFile,
} from './rules/latency.ts';
import { meterShape, parseMeters } from './rules/meter-definition.ts';
import type { SimulatorOptions } from './rules/simulator.ts';

export interface SimulatorConfig {
  readonly http: HttpConfig;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly simulator: SimulatorOptions;
}

const shape = {
  ...serverShape,
  seed: settings.simSeed,
  ratePerS: settings.simRatePerS,
  basicRatePerS: settings.simBasicRatePerS,
  latency: settings.simLatency,
  faults: settings.simFaults,
  meters: settings.simMeters,
  identifiersMax: settings.simIdentifiersMax,
  idempotencyKeysMax: settings.simIdempotencyKeysMax,
  summaryLagMs: settings.simSummaryLagMs,
} as const;

/** Throws a `ConfigError` that names every fault. */
export function parseConfig(env: Environment, readFile?: ReadFile): SimulatorConfig {
  const reading = readSettings('stripe-simulator', env, shape, readFile);
  addServerRules(reading, { v1: true });
  const readLatency = latencyReader(readFile ?? ((path) => readFileSync(path, 'utf8')));
  reading.rule(['latency'], ({ latency }) =>
    grammar('TALLYMAN_SIM_LATENCY', latency, readLatency, `${latencyShape}, or file:PATH of ${latencyFileShape}`),
  );
  reading.rule(['faults'], ({ faults }) => grammar('TALLYMAN_SIM_FAULTS', faults, parseFaults, faultShape));
  reading.rule(['meters'], ({ meters }) => grammar('TALLYMAN_SIM_METERS', meters, parseMeters, meterShape));
  const { seed, ratePerS, basicRatePerS, latency, faults, meters, ...rest } = reading.values();
  const { identifiersMax, idempotencyKeysMax, summaryLagMs, ...server } = rest;
  return {
    http: httpConfigOf(server),
    logLevel: server.logLevel,
    drainMs: server.drainMs,
    simulator: {
      seed,
      limits: { ratePerS, basicRatePerS, latency: readLatency(latency) ?? { kind: 'fixed', ms: 0 } },
      faults: parseFaults(faults ?? '') ?? [],
      meters: parseMeters(meters ?? '') ?? [],
      identifiersMax,
      idempotencyKeysMax,
      summaryLagMs,
    },
  };
}

/** Undefined: it is no latency, or its file cannot be read or holds something else. */
function latencyReader(readFile: ReadFile): (text: string) => Latency | undefined {
  return (text) => {
    const path = latencyFile(text);
    if (path === undefined) return parseLatency(text);
    try {
      return parseLatencyFile(path, readFile(path));
    } catch {
      // It cannot be read, which is told as what the setting may be.
      return undefined;
    }
  };
}

/** A fault if a text is set that its grammar does not take. */
function grammar(
  name: string,
  text: string | undefined,
  parse: (text: string) => unknown,
  allowed: string,
): string | undefined {
  return text === undefined || parse(text) !== undefined
    ? undefined
    : `${name} is ${JSON.stringify(text)}; it must be ${allowed}.`;
}
