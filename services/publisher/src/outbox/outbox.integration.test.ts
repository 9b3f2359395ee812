import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { BrokerConnection } from '../../../../shared/amqp/connection.ts';
import { slotOf } from '../../../../shared/event/lane.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { until } from '../../../../shared/testing/until.ts';
import { usageExchange } from '../../../../shared/topology/names.ts';
import { createMetrics } from '../metrics.ts';
import { bindSlot, declareQueues, deleteExchange, idsOf, takeAll } from '../testing.ts';
import { OutboxCore } from './core.ts';
import { defaultLimits, type OutboxLimits } from './limits.ts';
import { type Outcome, Outbox } from './outbox.ts';
import type { PackedEvent } from './packing.ts';

const log = createLog({ service: 'test', level: 'silent' });

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** An outbox on the shared broker, in a namespace of its own. */
function open(limits: Partial<OutboxLimits> = {}) {
  const { amqpUrl, namespace } = sharedServices();
  const core = new OutboxCore({ producer: 'p', source: 'test', region: '' }, { ...defaultLimits, ...limits });
  const registry = new Registry();
  const metrics = createMetrics(registry, () => ({
    unconfirmedMessages: core.unconfirmedMessages,
    heldBytes: core.heldBytes,
    connected: true,
  }));
  const retry = { baseMs: 10, maxMs: 100 };
  const connection = new BrokerConnection({ readUrl: () => amqpUrl, name: 'test', log, retry });
  const outbox = new Outbox({ core, connection, exchange: usageExchange(namespace), log, metrics });
  cleanups.push(async () => {
    outbox.stop();
    await connection.stop();
  });
  connection.start();
  const submit = (...events: PackedEvent[]) =>
    new Promise<Outcome>((resolve) => outbox.submit(events, Date.now(), resolve));
  const counted = async (name: string) => (await registry.getSingleMetric(name)?.get())?.values[0]?.value;
  return { outbox, core, submit, counted, amqpUrl, namespace };
}

function event(id: string, customer = 'a'): PackedEvent {
  const text = encodeEvent({ id, customer, meter: 'm', value: '1', timestamp: 1_795_426_200 });
  return { slot: slotOf({ customer, meter: 'm' }), text, bytes: Buffer.byteLength(text) };
}

it('tells that an event is durable once the broker has it, as a persistent message under its slot', async () => {
  const { outbox, submit, amqpUrl, namespace } = open();
  await declareQueues(amqpUrl, namespace);
  await until(() => outbox.turnsAway === undefined);
  expect(await submit(event('1', 'a'), event('2', 'b'), event('3', 'a'))).toBe('durable');
  const stored = await takeAll(amqpUrl, namespace);
  expect(idsOf(stored)).toEqual(new Set(['1', '2', '3']));
  for (const { origin, routingKey, persistent } of stored) {
    expect([routingKey, persistent, origin.sequence]).toEqual([String(origin.slot), true, 1]);
  }
});

it('waits for the exchange to be declared, and turns requests away until then', async () => {
  const { outbox, submit, amqpUrl, namespace } = open();
  expect(await submit(event('1'))).toBe('broker_unavailable');
  await declareQueues(amqpUrl, namespace);
  await until(() => outbox.turnsAway === undefined);
  expect(await submit(event('1'))).toBe('durable');
});

it('never calls an event durable that no queue was bound for, although the broker confirms it', async () => {
  const unroutable = event('1');
  const { outbox, submit, counted, amqpUrl, namespace } = open({ expiryMs: 1_500, retry: { baseMs: 50, maxMs: 200 } });
  await declareQueues(amqpUrl, namespace, [unroutable.slot]);
  await until(() => outbox.turnsAway === undefined);
  expect(await submit(unroutable)).toBe('expired');
  expect(await counted('tallyman_publisher_messages_returned_total')).toBeGreaterThan(1);
  expect(await takeAll(amqpUrl, namespace)).toEqual([]);
});

it('publishes a returned event again, so that it arrives when a queue is bound', async () => {
  const unroutable = event('1');
  const { outbox, submit, counted, amqpUrl, namespace } = open({ retry: { baseMs: 20, maxMs: 100 } });
  await declareQueues(amqpUrl, namespace, [unroutable.slot]);
  await until(() => outbox.turnsAway === undefined);
  const outcome = submit(unroutable);
  await until(async () => (await counted('tallyman_publisher_messages_returned_total')) === 2);
  await bindSlot(amqpUrl, namespace, unroutable.slot);
  expect(await outcome).toBe('durable');
  const stored = await takeAll(amqpUrl, namespace);
  expect(stored.map(({ origin }) => origin.sequence)).toEqual([1]);
});

it('recovers from a channel that the broker closes, and publishes again what was on it', async () => {
  const { outbox, submit, amqpUrl, namespace } = open();
  await declareQueues(amqpUrl, namespace);
  await until(() => outbox.turnsAway === undefined);
  await deleteExchange(amqpUrl, namespace);
  // The broker answers a publish to an exchange that is gone by closing the channel.
  const outcome = submit(event('1'));
  await until(() => outbox.turnsAway === 'broker_unavailable');
  await declareQueues(amqpUrl, namespace);
  expect(await outcome).toBe('durable');
  expect(idsOf(await takeAll(amqpUrl, namespace))).toEqual(new Set(['1']));
});

it('waits for the channel to drain instead of filling it, and loses nothing by that', async () => {
  const { outbox, core, submit, amqpUrl, namespace } = open({ messageEventsMax: 1 });
  await declareQueues(amqpUrl, namespace);
  await until(() => outbox.turnsAway === undefined);
  const events = Array.from({ length: 5_000 }, (_, index) => event(`${index}`, `customer ${index % 100}`));
  const outcome = submit(...events);
  // amqplib takes about 2,048 frames before it asks for a pause.
  expect(core.unconfirmedMessages).toBeLessThan(3_000);
  expect(await outcome).toBe('durable');
  expect(idsOf(await takeAll(amqpUrl, namespace)).size).toBe(5_000);
});
