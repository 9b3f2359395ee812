import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBroker, type Broker } from './broker.ts';
import { openNursery } from './nursery.ts';

describe('a private broker', () => {
  let broker: Broker;
  beforeAll(async () => {
    broker = await startBroker();
  }, 60_000);
  afterAll(() => broker.stop());

  it('still has a confirmed message after SIGKILL and a start on the same data', async () => {
    const before = await connect(broker.url);
    // The kill ends this connection: that is the point of the test, and amqplib reports it as an error event.
    before.on('error', () => undefined);
    const confirming = await before.createConfirmChannel();
    confirming.on('error', () => undefined);
    await confirming.assertQueue('survivor', { durable: true });
    confirming.sendToQueue('survivor', Buffer.from('kept'), { persistent: true });
    await confirming.waitForConfirms();

    await broker.kill('SIGKILL');
    await expect(connect(broker.url)).rejects.toThrow(/ECONNREFUSED/);
    await broker.start();

    const after = await connect(broker.url);
    const channel = await after.createChannel();
    const message = await channel.get('survivor', { noAck: true });
    expect(message !== false && message.content.toString()).toBe('kept');
    await channel.close();
    await after.close();
  }, 60_000);

  it('leaves no process behind when it is stopped', async () => {
    const nursery = await openNursery();
    try {
      const other = await startBroker({ nursery });
      expect(nursery.children.size).toBeGreaterThan(0);
      const children = [...nursery.children];
      await other.stop();
      expect([...nursery.children]).toEqual([]);
      expect(children.filter((child) => child.exit === undefined)).toEqual([]);
    } finally {
      await nursery.close();
    }
  }, 60_000);
});
