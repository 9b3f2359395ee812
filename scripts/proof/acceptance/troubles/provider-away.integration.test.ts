import { expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

it(
  'a first consumer is ready though Stripe refuses its key, says what it waits for, and counts as soon as it may',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage({ consumers: 0, consumer: { STRIPE_API_KEY: 'sk_live_revoked' } });
    const { cluster, simulatorUrl } = stage;
    await tellSimulator(simulatorUrl, 'world', { revokedKeys: ['sk_live_revoked'] });
    await postEvents(pick(cluster.publishers), { id: 'early', customer: 'cus_1', meter: 'tokens', value: 3 });

    const consumer = await cluster.addConsumer();
    const answer = await fetch(`${consumer.url}/readyz`);
    expect(await answer.json()).toMatchObject({
      ready: true,
      remarks: [expect.stringContaining('STRIPE_API_KEY')],
    });
    expect(await consumer.lastLines(50)).toContain('"reason":"stripe_key_refused"');

    await tellSimulator(simulatorUrl, 'world', { revokedKeys: [] });
    await until(async () => {
      expect(await (await fetch(`${consumer.url}/readyz`)).json()).toMatchObject({ ready: true, remarks: [] });
    }, patient);
    expect(await closeBooks(stage, () => [owes('cus_1', 'tokens', 3)])).toMatchObject(exact);
  },
);
