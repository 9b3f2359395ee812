import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';
import { sendFor } from '../stage/traffic.ts';

it(
  'the number of shards changes under load: no sidecar stops, nothing is lost, and what was counted before is not counted again',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage({ publishers: 3, consumers: 2, shards: 4 });
    const { cluster } = stage;
    const ids = Array.from({ length: 200 }, (_, index) => index);
    const event = (index: number) => ({
      id: `again-${index}`,
      customer: `cus_again${index}`,
      meter: 'tokens',
      value: 2,
    });
    await postEvents(pick(cluster.publishers, 2), ...ids.map(event));
    const load = sendFor(stage, 12_000);
    await until(() => load.progress.durable > load.events / 6, patient);

    const resharded = stage.run('topology', '--reshard', '7');
    // As a person does it: when the command says so.
    const said = (): Promise<string> => readFile(join(stage.nursery.folder, 'topology.log'), 'utf8');
    await until(async () => (await said()).includes('Now stop the consumers'), patient);
    const before = [...cluster.consumers];
    await Promise.all(before.map((consumer) => consumer.drain()));
    expect(before.map(({ exit }) => exit)).toEqual(before.map(() => ({ code: 0, signal: null })));
    await resharded;
    await expect(cluster.addConsumer()).rejects.toThrow('78');
    await Promise.all([0, 1].map(() => cluster.addConsumer({ TALLYMAN_SHARDS: '7' })));
    // To a sidecar that does not know them, after the move.
    await postEvents(pick(cluster.publishers), ...ids.map(event));

    const sent = await load.finished;
    const again = ids.map((index) => owes(event(index).customer, 'tokens', 2));
    expect(await closeBooks(stage, () => [...sent.owed(), ...again])).toMatchObject(exact);
  },
);
