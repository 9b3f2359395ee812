import { expect, it } from 'vitest';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';
import { until } from '../../../../shared/testing/until.ts';

it(
  'bills what was refused once its cause is gone and a person has it replayed, and only that',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage({ shards: 4 });
    const { simulatorUrl, cluster } = stage;
    const publisher = pick(cluster.publishers);
    const consumer = pick(cluster.consumers);
    await tellSimulator(simulatorUrl, 'world', { unknownCustomers: ['cus_new', 'cus_test'] });
    const timestamp = Math.floor(Date.now() / 1_000) - 60;
    await postEvents(
      publisher,
      ...['cus_new', 'cus_test', 'cus_here'].map((customer) => ({
        id: customer,
        customer,
        meter: 'tokens',
        value: 1.25,
        timestamp,
      })),
    );
    const dead = async () => (await consumer.metrics()).sum('tallyman_consumer_entries_total', { state: 'dead' });
    await until(async () => (await dead()) === 2, patient);

    // Still unknown: dead again, under the next identifier.
    await stage.run('entries', 'replay', '--all', '--why', 'too early');
    await until(async () => (await dead()) === 4, patient);

    await tellSimulator(simulatorUrl, 'world', { unknownCustomers: ['cus_test'] });
    await stage.run('entries', 'discard', '--customer', 'cus_test', '--why', 'a test customer');
    await stage.run('entries', 'replay', '--customer', 'cus_new', '--why', 'the customer exists now');
    const closing = await closeBooks(stage, () => [
      owes('cus_here', 'tokens', 1.25, 1),
      owes('cus_new', 'tokens', 1.25, 1),
    ]);
    expect(closing).toMatchObject(exact);
  },
);
