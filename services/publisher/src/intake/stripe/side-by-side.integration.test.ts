/** Ten thousand calls of the official `stripe` package at the same time, at a sidecar on a real broker. */
import { Stripe } from 'stripe';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Child, plainEnvironment } from '../../../../../shared/testing/child.ts';
import { type Nursery, openNursery } from '../../../../../shared/testing/nursery.ts';
import { freePort } from '../../../../../shared/testing/ports.ts';
import { sharedServices } from '../../../../../shared/testing/shared-services.ts';
import { until } from '../../../../../shared/testing/until.ts';
import { declareQueues, takeAll } from '../../testing.ts';

const main = new URL('../../main.ts', import.meta.url).pathname;
const calls = 10_000;

let nursery: Nursery;
let sidecar: Child;
let port: number;
let broker: { readonly amqpUrl: string; readonly namespace: string };

beforeAll(async () => {
  nursery = await openNursery();
  broker = sharedServices();
  await declareQueues(broker.amqpUrl, broker.namespace);
  port = await freePort();
  sidecar = await nursery.spawn('side-by-side', process.execPath, [main], {
    env: {
      ...plainEnvironment(),
      AMQP_URL: broker.amqpUrl,
      TALLYMAN_NAMESPACE: broker.namespace,
      TALLYMAN_PORT: String(port),
    },
  });
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, { deadlineMs: 30_000 });
});
afterAll(async () => {
  await sidecar.kill('SIGTERM');
  await nursery.close();
});

it('refuses none of 10,000 billing.meterEvents.create side by side, and each event is in one message', async () => {
  // No retries: a call that is refused shows.
  const address = { host: '127.0.0.1', port, protocol: 'http' } as const;
  const stripe = new Stripe('sk_test_1', { ...address, maxNetworkRetries: 0, telemetry: false });
  const answers = await Promise.allSettled(
    Array.from({ length: calls }, (_, index) =>
      stripe.billing.meterEvents.create({
        event_name: 'api_requests',
        identifier: `call-${index}`,
        payload: { stripe_customer_id: `cus_${index % 100}`, value: '1' },
      }),
    ),
  );
  const refused = answers.filter(({ status }) => status === 'rejected');
  expect(refused.slice(0, 3)).toEqual([]);
  expect(refused).toHaveLength(0);
  // By place: a message that the broker was slow to confirm may be there twice, as itself, and consumers recognise it.
  const messages = new Map<string, readonly { readonly id: string }[]>();
  const ids = (): readonly string[] => Array.from(messages.values(), (events) => events.map(({ id }) => id)).flat();
  // What such a broker did not take at once comes from the spool, later.
  const takeMore = async (): Promise<void> => {
    for (const { origin, message } of await takeAll(broker.amqpUrl, broker.namespace))
      messages.set(`${origin.producer}/${origin.slot}/${origin.sequence}`, message.events);
    expect(new Set(ids()).size).toBe(calls);
  };
  await until(takeMore, { deadlineMs: 90_000 });
  expect(ids()).toHaveLength(calls);
});
