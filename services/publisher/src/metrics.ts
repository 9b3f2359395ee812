import { Counter, Gauge, Histogram } from 'prom-client';
import { eventFaultCodes } from '../../../shared/event/event-fault.ts';
import type { Registry } from '../../../shared/metrics/metrics.ts';

/** What the gauges read when they are scraped. */
export interface Gauges {
  readonly unconfirmedMessages: number;
  readonly heldBytes: number;
  readonly connected: boolean;
}

export type PublisherMetrics = ReturnType<typeof createMetrics>;

export function createMetrics(registry: Registry, gauges: () => Gauges) {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const gauge = (name: string, help: string, read: (gauges: Gauges) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(gauges()));
      },
    });

  gauge(
    'tallyman_publisher_unconfirmed_messages',
    'Messages that were published and not yet confirmed.',
    (now) => now.unconfirmedMessages,
  );
  gauge(
    'tallyman_publisher_held_bytes',
    'What accepted events take until they are confirmed, overhead included.',
    (now) => now.heldBytes,
  );
  gauge(
    'tallyman_publisher_broker_connected',
    '1 while there is a connection to the broker that takes messages, else 0.',
    (now) => (now.connected ? 1 : 0),
  );

  const rejected = new Counter({
    name: 'tallyman_publisher_events_rejected_total',
    help: 'Events that were refused as invalid, by code.',
    labelNames: ['code'],
    registers,
  });
  for (const code of Object.keys(eventFaultCodes)) rejected.inc({ code }, 0);

  return {
    accepted: counter('tallyman_publisher_events_accepted_total', 'Events that became durable and were answered so.'),
    duplicates: counter(
      'tallyman_publisher_events_duplicate_total',
      'Events that stood twice in one request, or were durable already.',
    ),
    rejected,
    failed: counter(
      'tallyman_publisher_events_unconfirmed_total',
      'Valid events of requests that were answered with 503.',
    ),
    requests: new Counter({
      name: 'tallyman_publisher_requests_total',
      help: 'Requests that brought events, by path and by the status of their answer.',
      labelNames: ['path', 'status'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'tallyman_publisher_request_seconds',
      help: 'From the head of a request that brought events to its answer.',
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    published: counter(
      'tallyman_publisher_messages_published_total',
      'Messages that were published for the first time.',
    ),
    republished: counter(
      'tallyman_publisher_messages_republished_total',
      'Messages that were published again, with the same sequence and bytes.',
    ),
    confirmed: counter(
      'tallyman_publisher_messages_confirmed_total',
      'Confirms of the broker, those of returned messages included.',
    ),
    returned: counter(
      'tallyman_publisher_messages_returned_total',
      'Messages that no queue is bound for: run the topology command.',
    ),
    refused: counter('tallyman_publisher_messages_refused_total', 'Messages that the broker refused (nack).'),
    messageEvents: new Histogram({
      name: 'tallyman_publisher_message_events',
      help: 'Events per message.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
      registers,
    }),
  };
}
