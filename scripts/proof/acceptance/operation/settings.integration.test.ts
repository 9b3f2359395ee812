import { describe, expect, it } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { until } from '../../../../shared/testing/until.ts';
import { shardQueue } from '../../../../shared/topology/names.ts';
import { slotMap } from '../../../../shared/topology/slots.ts';
import { closeBooks, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { endFaults, postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';
import { sendFor } from '../stage/traffic.ts';

describe('a consumer', { timeout: testTimeoutMs }, () => {
  it('works with the shortest lease, the shortest flush interval, one shard, and a window equal to its maximum', async () => {
    const stage = await openStage({
      consumers: 2,
      shards: 1,
      consumer: {
        TALLYMAN_LEASE_MS: '1000',
        TALLYMAN_FLUSH_INTERVAL_MS: '100',
        TALLYMAN_WINDOW_MS: '60000',
        TALLYMAN_WINDOW_MAX_MS: '60000',
      },
    });
    const load = sendFor(stage, 4_000);
    const sent = await load.finished;
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });

  it('refuses to start with another number of shards than the topology has, with status 78', async () => {
    const stage = await openStage({ consumers: 0, shards: 8 });
    await expect(stage.cluster.addConsumer({ TALLYMAN_SHARDS: '16' })).rejects.toThrow(
      /status 78[^]*The topology has 8 shards, TALLYMAN_SHARDS says 16/,
    );
  });

  // Each of them once took the others for its heirs, and what they had counted waited for whoever was started next.
  it('bills all that it has counted when it is told to end together with all the others', async () => {
    const stage = await openStage({ consumers: 3, consumer: { TALLYMAN_FLUSH_INTERVAL_MS: '600000' } });
    const load = sendFor(stage, 2_000);
    const sent = await load.finished;
    const counted = async (): Promise<number> => {
      const pages = await Promise.all(stage.cluster.consumers.map((consumer) => consumer.metrics()));
      return pages.reduce((sum, page) => sum + (page.sum('tallyman_consumer_events_total') ?? 0), 0);
    };
    await until(async () => expect(await counted()).toBe(load.events), patient);
    const exits = await Promise.all(stage.cluster.consumers.map((consumer) => consumer.drain()));
    expect(exits).toEqual(stage.cluster.consumers.map(() => ({ code: 0, signal: null })));
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  });

  it('ends at once on a second SIGTERM, and what it had not settled is billed by the next one', async () => {
    const stage = await openStage();
    const [publisher, consumer] = [pick(stage.cluster.publishers), pick(stage.cluster.consumers)];
    await tellSimulator(stage.simulatorUrl, 'faults', { kind: 'error' });
    await postEvents(publisher, { id: 'stuck', customer: 'cus_stuck', meter: 'tokens', value: 9 });
    await until(
      async () => expect((await consumer.metrics()).sum('tallyman_consumer_entries_pending')).toBe(1),
      patient,
    );

    const first = consumer.drain();
    await until(async () => expect(await consumer.lastLines(20)).toContain('"to":"draining"'), patient);
    expect(consumer.exit).toBeUndefined();
    const since = performance.now();
    const exit = await consumer.drain();
    console.log(`a second SIGTERM ends it after ${Math.round(performance.now() - since)} ms`);
    expect(exit).toEqual({ code: 143, signal: null });
    expect(performance.now() - since).toBeLessThan(1_000);
    await first;

    await endFaults(stage.simulatorUrl);
    await consumer.restart();
    expect(await closeBooks(stage, () => [owes('cus_stuck', 'tokens', 9)])).toMatchObject(exact);
  });

  it('takes its shard up again after the broker cancelled it: queue deleted, then declared again', async () => {
    const stage = await openStage();
    const [publisher, consumer] = [pick(stage.cluster.publishers), pick(stage.cluster.consumers)];
    const lane = { customer: 'cus_cancelled', meter: 'tokens' };
    const shard = slotMap(stage.shards)[slotOf(lane)] ?? 0;
    const queue = shardQueue(stage.cluster.namespace, shard);
    await postEvents(publisher, { id: 'before', ...lane, value: 1 });
    await untilBilled(stage, () => [owes(lane.customer, lane.meter, 1)]);
    await until(async () => expect((await consumer.metrics()).sum('tallyman_consumer_messages_held')).toBe(0), patient);

    const connection = await stage.connectToBroker();
    const channel = await connection.createChannel();
    expect(await channel.deleteQueue(queue, { ifEmpty: true })).toEqual({ messageCount: 0 });
    await until(async () => {
      const lines = await consumer.lastLines(20);
      expect(lines).toContain('"reason":"channel_404"');
      expect(lines).toContain(queue);
    }, patient);
    // Not durable before the queue is there again, so not answered either.
    const answered = postEvents(publisher, { id: 'meanwhile', ...lane, value: 2 });
    await until(async () => {
      const returned = (await publisher.metrics()).sum('tallyman_publisher_messages_returned_total');
      expect(returned).toBeGreaterThan(0);
    }, patient);

    await stage.run('topology');
    await answered;
    expect(await closeBooks(stage, () => [owes(lane.customer, lane.meter, 3, 2)])).toMatchObject(exact);
  });
});
