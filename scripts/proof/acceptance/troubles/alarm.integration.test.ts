import { describe, expect, it } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import { until } from '../../../../shared/testing/until.ts';
import { deadExchange, usageExchange } from '../../../../shared/topology/names.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { closeBooks, exact, owes } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick } from '../stage/stage.ts';

/** A drain with nothing to wait for; far below the 5 s that a connection's close waits for a broker that does not answer. */
const quickMs = 4_000;

describe('while the broker has an alarm', { timeout: testTimeoutMs }, () => {
  // The dead letter went out on the connection that consumes. RabbitMQ stopped reading that, so no ack of any shard arrived until the alarm
  // was over, and SIGTERM took 28 s, since cancels and closes were not read either.
  it('an unreadable message holds up no acks of other shards, and no drain', async ({ skip }) => {
    const stage = await openStage({ own: ['broker'] });
    const { control } = stage.broker;
    if (control === undefined) return skip('RabbitMQ only');
    const { namespace, publishers, consumers } = stage.cluster;
    const [publisher, consumer] = [pick(publishers), pick(consumers)];
    const lanes = Array.from({ length: 8 }, (_, index) => ({ customer: `cus_${index}`, meter: 'tokens' }));
    const [first] = lanes;
    if (first === undefined) throw new Error('there are lanes');

    // Everything is there before the alarm begins: then nobody can publish any more.
    await consumer.kill();
    const channel = await (await stage.connectToBroker()).createConfirmChannel();
    const slot = String(slotOf(first));
    channel.publish(usageExchange(namespace), slot, Buffer.from('{'), { persistent: true, mandatory: true });
    await channel.waitForConfirms();
    await postEvents(publisher, ...lanes.map((lane) => ({ id: 'one', ...lane, value: 7 })));
    const queues = () => control('list_queues', 'name', 'messages_unacknowledged', 'messages_ready');
    await control('set_vm_memory_high_watermark', '0');

    await consumer.restart();
    await until(async () => expect((await fetchLedger(stage.simulatorUrl, false)).events).toBe(lanes.length), patient);
    await until(async () => {
      expect((await consumer.metrics()).sum('tallyman_consumer_broker_blocked')).toBe(1);
      expect((await consumer.metrics()).sum('tallyman_consumer_dead_letters_waiting')).toBe(1);
    }, patient);
    const remarks = JSON.stringify(await (await fetch(`${consumer.url}/readyz`)).json());
    expect(remarks).toMatch(/alarm/);
    await expect(stage.run('status')).rejects.toThrow(/takes no new messages \(.*memory.*needs you/s);
    // Only the shard of the unreadable message keeps its acks, since they are one run.
    await until(async () => {
      const waiting = [...(await queues()).matchAll(/^\S+\t(\d+)\t(\d+)$/gm)].filter(
        ([, unacked, ready]) => Number(unacked) + Number(ready) > 0,
      );
      expect(waiting).toHaveLength(1);
    }, patient);

    const askedAt = performance.now();
    expect(await consumer.drain()).toEqual({ code: 0, signal: null });
    expect(performance.now() - askedAt).toBeLessThan(quickMs);

    await control('set_vm_memory_high_watermark', '0.4');
    await consumer.restart();
    const reader = await (await stage.connectToBroker()).createChannel();
    // At least one copy: what lay in the broker's socket when the drain ended its connection may arrive as well.
    await until(
      async () => expect((await reader.checkQueue(deadExchange(namespace))).messageCount).toBeGreaterThan(0),
      patient,
    );
    await until(async () => expect(await consumer.lastLines(100)).toMatch(/cannot be read/), patient);
    expect(await closeBooks(stage, () => lanes.map((lane) => owes(lane.customer, lane.meter, 7, 1)))).toMatchObject(
      exact,
    );
    return undefined;
  });
});
