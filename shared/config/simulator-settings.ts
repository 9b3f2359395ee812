import * as kinds from './kinds.ts';
import { optional, withDefault } from './setting.ts';

/** What only the simulator knows; a part of the table in settings.ts. */
export const simulatorSettings = {
  simSeed: withDefault(
    {
      name: 'TALLYMAN_SIM_SEED',
      services: ['stripe-simulator'],
      meaning: 'all chance in the simulator comes from it: latencies, faults, ids',
      kind: kinds.integer(0, Number.MAX_SAFE_INTEGER, 'seed numbers'),
    },
    1,
  ),
  simRatePerS: withDefault(
    {
      name: 'TALLYMAN_SIM_RATE_PER_S',
      services: ['stripe-simulator'],
      meaning: 'meter events that the simulator lets through in any second',
      kind: kinds.integer(1, 1_000_000, 'calls per second'),
    },
    1_000,
  ),
  simBasicRatePerS: withDefault(
    {
      name: 'TALLYMAN_SIM_BASIC_RATE_PER_S',
      services: ['stripe-simulator'],
      meaning: 'other calls, and all calls for a connected account, that it lets through in any second',
      kind: kinds.integer(1, 1_000_000, 'calls per second'),
    },
    100,
  ),
  simLatency: withDefault(
    {
      name: 'TALLYMAN_SIM_LATENCY',
      services: ['stripe-simulator'],
      meaning: 'how long a call takes: fixed:MS, uniform:MIN:MAX, lognormal:P50:P99, samples:MS,MS,… or file:PATH',
      kind: kinds.text(100_000),
    },
    'lognormal:200:800',
  ),
  simFaults: optional({
    name: 'TALLYMAN_SIM_FAULTS',
    services: ['stripe-simulator'],
    meaning: 'faults from the start, KIND:RATE separated by commas',
    kind: kinds.text(10_000),
  }),
  simMeters: optional({
    name: 'TALLYMAN_SIM_METERS',
    services: ['stripe-simulator'],
    meaning: 'meters that every account has from the start, EVENT_NAME:FORMULA separated by commas',
    kind: kinds.text(100_000),
  }),
  simIdentifiersMax: withDefault(
    {
      name: 'TALLYMAN_SIM_IDENTIFIERS_MAX',
      services: ['stripe-simulator'],
      meaning: 'most identifiers that are remembered; beyond, the oldest are forgotten before 24 hours',
      kind: kinds.integer(1_000, 60_000_000, 'identifiers'),
    },
    20_000_000,
  ),
  simSummaryLagMs: withDefault(
    {
      name: 'TALLYMAN_SIM_SUMMARY_LAG_MS',
      services: ['stripe-simulator'],
      meaning: 'how long a meter event takes to show in summaries',
      kind: kinds.integer(0, 86_400_000, 'milliseconds'),
    },
    10_000,
  ),
  simIdempotencyKeysMax: withDefault(
    {
      name: 'TALLYMAN_SIM_IDEMPOTENCY_KEYS_MAX',
      services: ['stripe-simulator'],
      meaning: 'most idempotency keys that are remembered; beyond, the oldest are forgotten before 24 hours',
      kind: kinds.integer(1_000, 20_000_000, 'keys'),
    },
    200_000,
  ),
} as const;
