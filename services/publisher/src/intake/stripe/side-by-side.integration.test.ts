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

it('refuses none of 10,000 billing.meterEvents.create side by side, and each event is on the queues once', async () => {
  // No retries: a call that is refused shows.
  const stripe = new Stripe('sk_test_1', { host: '127.0.0.1', port, protocol: 'http', maxNetworkRetries: 0 });
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
  const stored = await takeAll(broker.amqpUrl, broker.namespace);
  const ids = stored.flatMap(({ message }) => message.events.map(({ id }) => id));
  expect(new Set(ids).size).toBe(calls);
  expect(ids).toHaveLength(calls);
});
