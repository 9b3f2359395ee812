import { expect, it } from 'vitest';
import { ConfigError } from '../../../shared/config/config.ts';
import { parseConfig } from './config.ts';

it('needs nothing', () => {
  expect(parseConfig({})).toEqual({
    http: { host: '127.0.0.1', port: 7073, socket: undefined, token: undefined, admin: undefined },
    logLevel: 'info',
    drainMs: 25_000,
    simulator: {
      seed: 1,
      limits: { ratePerS: 1_000, basicRatePerS: 100, latency: { kind: 'lognormal', p50Ms: 200, p99Ms: 800 } },
      faults: [],
      meters: [],
      identifiersMax: 20_000_000,
      summaryLagMs: 10_000,
      idempotencyKeysMax: 200_000,
    },
  });
});

it('reads latency, faults and meters', () => {
  const { simulator } = parseConfig({
    TALLYMAN_SIM_LATENCY: 'fixed:50',
    TALLYMAN_SIM_FAULTS: 'error:0.1',
    TALLYMAN_SIM_METERS: 'api:sum,seats:last',
  });
  expect(simulator.limits.latency).toEqual({ kind: 'fixed', ms: 50 });
  expect(simulator.faults).toMatchObject([{ kind: 'error', rate: 0.1 }]);
  expect(simulator.meters).toMatchObject([
    { eventName: 'api', formula: 'sum' },
    { eventName: 'seats', formula: 'last' },
  ]);
});

it('reads sampled latencies from a file, and says what the file must be', () => {
  const file = (content: string) => parseConfig({ TALLYMAN_SIM_LATENCY: 'file:calls.txt' }, () => content);
  expect(file('180\n950\n').simulator.limits.latency).toEqual({ kind: 'file', path: 'calls.txt', ms: [180, 950] });
  expect(() => file('soon')).toThrow(/one sampled call a line/);
  expect(() => parseConfig({ TALLYMAN_SIM_LATENCY: 'file:/nowhere/calls.txt' })).toThrow(/one sampled call a line/);
});

it('names every fault at once', () => {
  const env = {
    TALLYMAN_SIM_LATENCY: 'often',
    TALLYMAN_SIM_FAULTS: 'error:2',
    TALLYMAN_SIM_METERS: 'api:sum,api:last',
    TALLYMAN_SIM_RATE_PER_S: '0',
  };
  let faults: readonly string[] = [];
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) faults = error.faults;
  }
  for (const name of Object.keys(env)) expect(faults.filter((fault) => fault.startsWith(name))).toHaveLength(1);
});

it('takes usage from other machines only with a token', () => {
  expect(() => parseConfig({ TALLYMAN_HOST: '0.0.0.0' })).toThrow(/TALLYMAN_TOKEN is not set/);
});
