import { describe, expect, it } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { decodeParked } from '../../../../shared/journal/format.ts';
import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { shardKeys } from '../../../../shared/journal/keys.ts';
import { until } from '../../../../shared/testing/until.ts';
import { deadExchange, usageExchange } from '../../../../shared/topology/names.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { createMeter, postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

/** Every entry that the journal holds as dead or in doubt. */
async function parkedEntries({ journal, cluster, shards }: Stage): Promise<readonly ParkedEntry[]> {
  const perShard = await Promise.all(
    Array.from({ length: shards }, (_, shard) => journal.hvals(shardKeys(cluster.namespace, shard).parked)),
  );
  return perShard.flat().map(decodeParked);
}

/** One minute into the event-time window before this one, so that no events of a test are windows apart. */
const windowS = 300;
const startS = Math.floor(Date.now() / 1_000 / windowS) * windowS - windowS + 60;

function events(customer: string, meter: string, values: readonly number[], afterS: readonly number[] = []) {
  return values.map((value, index) => ({
    id: `${customer}-${index}`,
    customer,
    meter,
    value,
    timestamp: startS + (afterS[index] ?? index),
  }));
}

describe('usage that Stripe does not take', { timeout: testTimeoutMs }, () => {
  it('is dead in the journal with its reason, and everything else is billed', async () => {
    const stage = await openStage();
    const { simulatorUrl, cluster } = stage;
    const publisher = pick(cluster.publishers);
    await tellSimulator(simulatorUrl, 'world', { unknownCustomers: ['cus_gone'] });
    // The consumer has read the list of meters before these exist.
    await createMeter(simulatorUrl, 'daily_gauge', { 'default_aggregation[formula]': 'sum', event_time_window: 'day' });
    await createMeter(simulatorUrl, 'late_sum', { 'default_aggregation[formula]': 'sum' });
    await createMeter(simulatorUrl, 'late_last', { 'default_aggregation[formula]': 'last' });

    await postEvents(
      publisher,
      ...events('cus_gone', 'tokens', [1, 2, 3]),
      ...events('cus_here', 'tokens', [10, 20]),
      ...events('cus_here', 'daily_gauge', [5, 6]),
      ...events('cus_here', 'no_such_meter', [7]),
      ...events('cus_counted', 'documents_signed', [1, 1, 1, 1, 1]),
      ...events('cus_late', 'late_sum', [100, 200, 300]),
      ...events('cus_late', 'late_last', [41, 43, 42], [0, 20, 10]),
    );

    const closing = await closeBooks(stage, () => [
      owes('cus_here', 'tokens', 30, 2),
      owes('cus_counted', 'documents_signed', 5, 5, 'count'),
      owes('cus_late', 'late_sum', 600, 3),
      owes('cus_late', 'late_last', 43, 3, 'last'),
    ]);
    expect(closing).toMatchObject(exact);
    const { totals } = closing.ledger;
    const counted = totals.find(({ customer }) => customer === 'cus_counted');
    expect(counted?.events, 'the events of a count meter are billed one by one').toBe(5);
    // Merged, although their formula was not known when they came.
    expect(totals.filter(({ customer }) => customer === 'cus_late').map((total) => total.events)).toEqual([1, 1]);

    const parked = (await parkedEntries(stage)).map(({ entry, state, reason }) => ({
      lane: `${entry.customer} ${entry.meter}`,
      value: entry.value,
      events: entry.events,
      state,
      reason,
    }));
    expect(parked).toHaveLength(3);
    expect(parked).toEqual(
      expect.arrayContaining([
        {
          lane: 'cus_gone tokens',
          value: '6',
          events: 3,
          state: 'dead',
          reason: expect.stringContaining('cus_gone'),
        },
        {
          lane: 'cus_here daily_gauge',
          value: '11',
          events: 2,
          state: 'dead',
          reason: expect.stringMatching(/^meter_has_event_time_window: /),
        },
        {
          lane: 'cus_here no_such_meter',
          value: '7',
          events: 1,
          state: 'dead',
          reason: expect.stringMatching(/^no_meter: /),
        },
      ]),
    );
  });

  it('is moved to the dead-letter queue with its reason if it cannot even be read, and acked', async () => {
    const stage = await openStage();
    const { namespace, publishers, consumers } = stage.cluster;
    const [publisher, consumer] = [pick(publishers), pick(consumers)];
    const lane = { customer: 'cus_beside', meter: 'tokens' };
    const slot = slotOf(lane);
    const connection = await stage.connectToBroker();
    const channel = await connection.createConfirmChannel();

    await postEvents(publisher, { id: 'before', ...lane, value: 1 });
    const headers = { 'x-producer': 'somebody-else', 'x-slot': slot, 'x-sequence': 1 };
    const body = Buffer.from('{"version":1,"events":"all of them"');
    channel.publish(usageExchange(namespace), String(slot), body, { persistent: true, mandatory: true, headers });
    await channel.waitForConfirms();
    await postEvents(publisher, { id: 'after', ...lane, value: 2 });

    const letter = await until(async () => {
      const found = await channel.get(deadExchange(namespace), { noAck: true });
      if (found === false) throw new Error('there is no dead letter yet');
      return found;
    }, patient);
    expect(letter.content.equals(body)).toBe(true);
    expect(letter.fields.routingKey).toBe(String(slot));
    expect(letter.properties.headers).toMatchObject({ ...headers, 'x-tallyman-reason': 'body_not_json' });
    expect((await consumer.metrics()).sum('tallyman_consumer_unreadable_messages_total')).toBe(1);

    // Nothing is left in the queues: the unreadable message was acked too.
    expect(await closeBooks(stage, () => [owes(lane.customer, lane.meter, 3, 2)])).toMatchObject(exact);
    expect(await channel.get(deadExchange(namespace), { noAck: true }), 'one letter, once').toBe(false);
  });
});
