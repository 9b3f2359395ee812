import { connect } from 'amqplib';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type Broker, startBroker } from '../../../shared/testing/broker.ts';
import { brokerAlarm } from './broker-alarm.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await startBroker();
}, 60_000);
afterAll(() => broker.stop());

async function alarm(url = broker.url) {
  const connection = await connect(url);
  connection.on('error', () => undefined);
  // Not awaited: a broker with an alarm does not answer it.
  onTestFinished(() => void connection.close().catch(() => undefined));
  return brokerAlarm(connection);
}

it('is none while the broker takes messages', async () => {
  expect(await alarm()).toBe('none');
});

// The memory alarm was on, every sidecar kept usage on its disk, and tallyman status said that nothing waits: it had published nothing,
// and neither had any consumer.
it('is told by a broker that has one, also to a user who may publish nothing, and is over when it is', async ({
  skip,
}) => {
  const { control } = broker;
  if (control === undefined) return skip('RabbitMQ only');
  const poor = new URL(broker.url);
  [poor.username, poor.password] = ['poor', 'secret'];
  await control('add_user', poor.username, poor.password);
  await control('set_permissions', poor.username, '^$', '^$', '^$');
  expect(await alarm(poor.href)).toBe('refused');

  await control('set_vm_memory_high_watermark', '0');
  expect(await alarm()).toEqual({ said: expect.stringMatching(/memory/) as string });
  expect(await alarm(poor.href)).toEqual({ said: expect.stringMatching(/memory/) as string });

  await control('set_vm_memory_high_watermark', '0.4');
  expect(await alarm()).toBe('none');
  return undefined;
});
