import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from '../../../../shared/metrics/metrics.ts';

export const spoolStates = ['open', 'full', 'failing', 'locked', 'unavailable', 'off'] as const;
/**
 * open: takes messages; full: has no room; failing: opened, and could not be written to lately; locked: another process has the
 * folder; unavailable: cannot be opened; off: there is none.
 */
export type SpoolState = (typeof spoolStates)[number];

export interface SpoolGauges {
  readonly state: SpoolState;
  readonly bytes: number;
  readonly records: number;
  readonly oldestAcceptedMs: number | undefined;
}

export type SpoolMetrics = ReturnType<typeof createSpoolMetrics>;

export function createSpoolMetrics(registry: Registry, gauges: () => SpoolGauges) {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const gauge = (name: string, help: string, read: (gauges: SpoolGauges) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(gauges()));
      },
    });

  gauge('tallyman_publisher_spool_bytes', 'What the segments of the spool take on the disk.', (now) => now.bytes);
  gauge('tallyman_publisher_spool_records', 'Messages in the spool that are not replayed yet.', (now) => now.records);
  gauge(
    'tallyman_publisher_spool_oldest_age_seconds',
    'Since the oldest message that is not replayed was accepted; 0 if there is none.',
    ({ oldestAcceptedMs }) =>
      oldestAcceptedMs === undefined ? 0 : Math.max(0, (Date.now() - oldestAcceptedMs) / 1000),
  );
  new Gauge({
    name: 'tallyman_publisher_spool_state',
    help: '1 for the state that the spool is in, 0 for the others.',
    labelNames: ['state'],
    registers,
    collect() {
      const { state } = gauges();
      for (const each of spoolStates) this.set({ state: each }, each === state ? 1 : 0);
    },
  });

  const parked = new Counter({
    name: 'tallyman_publisher_spool_parked_total',
    help: 'Stretches of the spool that were kept aside instead of replayed: too old, or damaged.',
    labelNames: ['why'],
    registers,
  });
  for (const why of ['too_old', 'damaged']) parked.inc({ why }, 0);

  return {
    parked,
    stored: counter('tallyman_publisher_spool_stored_total', 'Messages that were written to the spool and synced.'),
    replayed: counter(
      'tallyman_publisher_spool_replayed_total',
      'Messages of the spool that the broker has confirmed.',
    ),
    failures: counter('tallyman_publisher_spool_failures_total', 'File operations of the spool that failed.'),
    fsyncSeconds: new Histogram({
      name: 'tallyman_publisher_spool_fsync_seconds',
      help: 'One group of messages: write and fsync.',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
      registers,
    }),
  };
}
