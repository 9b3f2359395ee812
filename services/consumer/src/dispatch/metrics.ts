import { Counter, Gauge, Histogram } from 'prom-client';
import type { Rate } from '../../../../shared/limiter/limiter.ts';
import { gaugeMaker, type Registry } from '../../../../shared/metrics/metrics.ts';
import type { BreakerState } from '../provider/breaker.ts';
import { limitReasons, type Outcome } from '../provider/provider.ts';

export interface DispatchMetrics {
  callEnded(kind: Outcome['kind'], seconds: number): void;
  inFlight(calls: number): void;
  slots(used: number, missed: number): void;
  breaker(state: BreakerState): void;
}

/** What is read when the metrics are asked for. */
export interface DispatchView {
  /** The cluster's own. */
  readonly rate: () => Rate;
  readonly closedAccounts: () => number;
}

const outcomes: readonly Outcome['kind'][] = [
  'accepted',
  'refused',
  'early',
  'throttled',
  'unauthorized',
  'unsent',
  'unknown',
];
const breakerStates: readonly BreakerState[] = ['closed', 'open', 'half_open'];

export function createDispatchMetrics(registry: Registry, view: DispatchView): DispatchMetrics {
  const registers = [registry];
  const calls = new Counter({
    name: 'tallyman_consumer_provider_calls_total',
    help: 'Calls to the billing provider that have ended, by outcome',
    labelNames: ['outcome'],
    registers,
  });
  const duration = new Histogram({
    name: 'tallyman_consumer_provider_call_seconds',
    help: 'Time from the start of a call to the billing provider to its outcome',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30],
    registers,
  });
  const inFlight = new Gauge({
    name: 'tallyman_consumer_provider_in_flight',
    help: 'Calls to the billing provider that have not ended',
    registers,
  });
  const slots = new Counter({
    name: 'tallyman_consumer_rate_slots_total',
    help: "Slots of the cluster's rate that this consumer held: used by a call, or missed because none could start in time",
    labelNames: ['use'],
    registers,
  });
  const gauge = gaugeMaker(registry);
  gauge('tallyman_consumer_rate_per_second', 'Calls per second that the cluster may make now', () => view.rate().perS);
  gauge(
    'tallyman_consumer_rate_pace_ratio',
    'Part of the limit that the cluster uses: below 1 after the provider answered 429',
    () => view.rate().pace,
  );
  gauge(
    'tallyman_consumer_rate_lowered_timestamp_seconds',
    'When a 429 lowered the rate last, unix time; 0: it did not in the last minutes',
    () => (view.rate().lowered?.atMs ?? 0) / 1_000,
  );
  new Gauge({
    name: 'tallyman_consumer_rate_limited_reason',
    help: '1 for what the provider said when it lowered the rate last, while the rate is below its limit',
    labelNames: ['reason'],
    registers,
    collect() {
      const { pace, lowered } = view.rate();
      for (const reason of limitReasons) this.set({ reason }, pace < 1 && lowered?.reason === reason ? 1 : 0);
    },
  });
  gauge(
    'tallyman_consumer_accounts_closed',
    'Connected accounts that the provider does not serve while it serves others',
    view.closedAccounts,
  );
  const breaker = new Gauge({
    name: 'tallyman_consumer_breaker_state',
    help: '1 for the state that the circuit breaker is in, 0 for the others',
    labelNames: ['state'],
    registers,
  });
  for (const outcome of outcomes) calls.inc({ outcome }, 0);
  return {
    callEnded(outcome, seconds) {
      calls.inc({ outcome });
      duration.observe(seconds);
    },
    inFlight: (count) => inFlight.set(count),
    slots(used, missed) {
      slots.inc({ use: 'used' }, used);
      slots.inc({ use: 'missed' }, missed);
    },
    breaker(state) {
      for (const known of breakerStates) breaker.set({ state: known }, known === state ? 1 : 0);
    },
  };
}
