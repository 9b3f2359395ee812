import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from '../../../lab/cluster/service.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

it('takes a newcomer from a file to the first billed event', { timeout: testTimeoutMs }, async () => {
  const stage = await openStage({ shards: 4 });
  const { simulatorUrl, nursery, cluster } = stage;
  const file = join(nursery.folder, 'meters.yaml');
  await writeFile(
    file,
    [
      'currency: eur',
      'meters:',
      '  - event_name: pages_printed',
      '    price: { unit_amount_decimal: 0.75 }',
      'customers:',
      '  - email: newcomer@example.com',
    ].join('\n'),
  );
  const headers = { authorization: 'Bearer sk_test_newcomer' };
  await runCommand(nursery, 'provision', {
    name: 'provision',
    env: { STRIPE_API_KEY: 'sk_test_newcomer', STRIPE_API_BASE: simulatorUrl },
    args: ['--file', file, '--yes'],
  });
  const listed = await fetch(`${simulatorUrl}/v1/customers?email=newcomer%40example.com`, { headers });
  const { data } = (await listed.json()) as { data: { id: string }[] };
  const customer = data[0]?.id ?? '';
  // The consumer has read the list of meters before this one existed.
  await postEvents(pick(cluster.publishers), { id: 'first', customer, meter: 'pages_printed', value: 12 });
  expect(await closeBooks(stage, () => [owes(customer, 'pages_printed', 12, 1)])).toMatchObject(exact);
});
