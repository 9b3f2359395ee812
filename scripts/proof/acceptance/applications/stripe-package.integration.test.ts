/** An application that uses Stripe's own package and has only changed its host. */
import { Stripe } from 'stripe';
import { expect, it } from 'vitest';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { testTimeoutMs } from '../stage/durations.ts';
import { openStage, pick } from '../stage/stage.ts';

const calls = 10_000;
const customers = 100;

it(
  'none of 10,000 billing.meterEvents.create side by side is refused, and all are billed once',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage();
    const { hostname, port } = new URL(pick(stage.cluster.publishers).url);
    // No retries: a call that is refused shows.
    const address = { host: hostname, port, protocol: 'http' } as const;
    const stripe = new Stripe('sk_test_1', { ...address, maxNetworkRetries: 0, telemetry: false });
    const answers = await Promise.allSettled(
      Array.from({ length: calls }, (_, index) =>
        stripe.billing.meterEvents.create({
          event_name: 'api_calls',
          identifier: `call-${index}`,
          payload: { stripe_customer_id: `cus_side${index % customers}`, value: '2' },
        }),
      ),
    );
    const refused = answers.filter(({ status }) => status === 'rejected');
    expect(refused.slice(0, 3)).toEqual([]);
    expect(refused).toHaveLength(0);

    const each = calls / customers;
    const owed = Array.from({ length: customers }, (_, customer) =>
      owes(`cus_side${customer}`, 'api_calls', 2 * each, each),
    );
    expect(await closeBooks(stage, () => owed)).toMatchObject(exact);
  },
);
