import { expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { shardQueue } from '../../../../shared/topology/names.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { closeBooks, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

const shards = 2;
const customers = Array.from({ length: 20 }, (_, at) => `cus_${at}`);
const round = (name: string) => customers.map((customer) => ({ id: name, customer, meter: 'tokens', value: 3 }));

async function deleteQueues(stage: Stage): Promise<void> {
  const channel = await (await stage.connectToBroker()).createChannel();
  for (let shard = 0; shard < shards; shard++) await channel.deleteQueue(shardQueue(stage.cluster.namespace, shard));
}

const holds = async (stage: Stage, metric: string): Promise<number> =>
  (await pick(stage.cluster.consumers).metrics()).sum(`tallyman_consumer_${metric}`) ?? 0;

// What a consumer had taken from a queue that a person deleted was discarded, as if the broker would deliver it again.
it(
  'bills what was held of deleted queues, and what comes after they were made again',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage({ shards, consumer: { TALLYMAN_FLUSH_INTERVAL_MS: '3600000' } });
    const publisher = pick(stage.cluster.publishers);
    const owed = (events: number) => () => customers.map((one) => owes(one, 'tokens', 3 * events, events));
    await postEvents(publisher, ...round('before'));
    await until(async () => expect(await holds(stage, 'events_open')).toBe(customers.length), patient);
    expect((await fetchLedger(stage.simulatorUrl, false)).events).toBe(0);
    await deleteQueues(stage);
    await untilBilled(stage, owed(1));

    await stage.run('topology');
    await postEvents(publisher, ...round('after'));
    await until(async () => expect(await holds(stage, 'events_open')).toBe(customers.length), patient);
    await deleteQueues(stage);
    await untilBilled(stage, owed(2));
    await stage.run('topology');
    expect(await closeBooks(stage, owed(2))).toMatchObject(exact);
  },
);

it(
  'says how much could not be sealed of deleted queues, since a set was in flight',
  { timeout: testTimeoutMs },
  async () => {
    const stage = await openStage({ shards });
    const publisher = pick(stage.cluster.publishers);
    await postEvents(publisher, ...round('billed'));
    await untilBilled(stage, () => customers.map((one) => owes(one, 'tokens', 3, 1)));
    // Every set from here on stays in flight.
    await tellSimulator(stage.simulatorUrl, 'world', { revokedKeys: ['sk_live_simulator'] });
    await postEvents(publisher, ...round('sealed'));
    await until(async () => expect(await holds(stage, 'entries_pending')).toBe(customers.length), patient);
    await postEvents(publisher, ...round('held'));
    await until(async () => expect(await holds(stage, 'events_open')).toBe(customers.length), patient);
    await deleteQueues(stage);
    await until(async () => {
      const lines = await pick(stage.cluster.consumers).lastLines(200);
      const told = [...lines.matchAll(/"events":(\d+)[^\n]*A queue was deleted while/g)];
      expect(told.reduce((sum, [, events]) => sum + Number(events), 0)).toBe(customers.length);
    }, patient);
  },
);
