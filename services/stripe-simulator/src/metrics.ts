import { Counter } from 'prom-client';
import { gaugeMaker, type Registry } from '../../../shared/metrics/metrics.ts';
import type { Counts } from './rules/ledger.ts';
import type { Simulator } from './rules/simulator.ts';

/** Metrics are read from the simulator when they are collected: a call pays nothing for them. */
export function registerMetrics(registry: Registry, simulator: () => Simulator, inFlight: () => number): void {
  const registers = [registry];
  const counter = (name: string, help: string, count: keyof Counts): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(simulator().ledger.counts[count]);
      },
    });
  };
  const gauge = gaugeMaker(registry);
  counter('tallyman_simulator_calls_total', 'Calls to the meter event endpoint, whatever became of them.', 'calls');
  counter('tallyman_simulator_events_total', 'Meter events accepted and counted.', 'events');
  counter(
    'tallyman_simulator_duplicates_total',
    'Meter events refused because their identifier was there already.',
    'duplicates',
  );
  counter('tallyman_simulator_throttled_total', 'Calls answered 429.', 'throttled');
  counter('tallyman_simulator_refused_total', 'Meter events refused for what they are.', 'refused');
  counter(
    'tallyman_simulator_conflicts_total',
    'Calls answered 409: another one of the lane was executing.',
    'conflicts',
  );
  counter(
    'tallyman_simulator_concurrency_violations_total',
    'Calls that arrived while the client waited for another one of the lane.',
    'concurrencyViolations',
  );
  new Counter({
    name: 'tallyman_simulator_answers_total',
    help: 'Answers by HTTP status, also those that were not delivered.',
    labelNames: ['status'],
    registers,
    collect() {
      this.reset();
      for (const [status, count] of simulator().answered) this.inc({ status: String(status) }, count);
    },
  });
  new Counter({
    name: 'tallyman_simulator_faults_total',
    help: 'Calls that met an injected fault, by its kind.',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const [kind, count] of simulator().faultsMet) this.inc({ kind }, count);
    },
  });
  gauge(
    'tallyman_simulator_peak_calls_per_second',
    'Most meter event calls in any sliding second.',
    () => simulator().ledger.counts.peakPerSecond,
  );
  gauge('tallyman_simulator_in_flight_calls', 'Calls that arrived and are not finished.', inFlight);
  gauge('tallyman_simulator_lanes', 'Accounts, customers and meters in the ledger.', () => simulator().ledger.lanes);
  gauge('tallyman_simulator_identifiers', 'Identifiers remembered.', () => simulator().remembered.identifiers);
  gauge(
    'tallyman_simulator_idempotency_keys',
    'Idempotency keys remembered.',
    () => simulator().remembered.idempotencyKeys,
  );
  gauge(
    'tallyman_simulator_identifiers_forgotten_early',
    'Identifiers dropped before 24 hours because there were too many: from then on duplicates may be missed.',
    () => simulator().remembered.forgottenEarly,
  );
}
