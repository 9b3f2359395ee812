import { once } from 'node:events';
import type { Channel } from 'amqplib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../log/log.ts';
import { type Broker, startBroker } from '../testing/broker.ts';
import { freePort } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import { BrokerConnection, type BrokerConnectionOptions, type BrokerSession } from './connection.ts';

const log = createLog({ service: 'test', level: 'silent' });

let broker: Broker;
beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.stop());

const opened: BrokerConnection[] = [];
afterEach(async () => {
  for (const connection of opened.splice(0)) await connection.stop();
});

/** A connection, and what it has told so far. */
function open(options: Partial<BrokerConnectionOptions> = {}) {
  const connection = new BrokerConnection({
    readUrl: () => broker.url,
    name: 'test',
    log,
    retry: { baseMs: 10, maxMs: 200 },
    ...options,
  });
  opened.push(connection);
  const told: string[] = [];
  const sessions: BrokerSession[] = [];
  connection.onConnected((session) => {
    told.push(`connected ${session.generation}`);
    sessions.push(session);
  });
  connection.onLost((generation) => told.push(`lost ${generation}`));
  connection.start();
  const session = (generation: number) => until(() => sessions.find((one) => one.generation === generation) ?? false);
  return { connection, told, session };
}

async function messagesIn(queue: string): Promise<number> {
  const { connection, session } = open();
  const channel = await (await session(1)).createChannel();
  const { messageCount } = await channel.checkQueue(queue);
  await connection.stop();
  return messageCount;
}

describe('BrokerConnection', () => {
  it('comes back after the broker was killed, with the next generation', async () => {
    const { told, session } = open();
    const channel = await (await session(1)).createConfirmChannel();
    const closed = once(channel, 'close');
    await broker.kill('SIGKILL');
    await closed;
    await until(() => told.length === 2);
    await broker.start();
    await (await session(2)).createChannel();
    expect(told).toEqual(['connected 1', 'lost 1', 'connected 2']);
  });

  it('waits for a broker that is not there yet, and can be stopped meanwhile', async () => {
    const port = await freePort();
    let asked = 0;
    const { connection, told } = open({ readUrl: () => `amqp://127.0.0.1:${port}?attempt=${++asked}` });
    await until(() => asked >= 3);
    await connection.stop();
    expect([told, connection.connected]).toEqual([[], false]);
  });

  it('asks for the address at every attempt, so that a rotated password is taken', async () => {
    const wrong = broker.url.replace('guest@', 'wrong@');
    let asked = 0;
    const { told, session } = open({ readUrl: () => Promise.resolve(++asked <= 2 ? wrong : broker.url) });
    await session(1);
    expect([asked, told]).toEqual([3, ['connected 1']]);
  });

  it('tells what goes wrong with the address, and goes on asking', async () => {
    let asked = 0;
    const { session } = open({
      readUrl: () => {
        if (++asked === 1) throw new Error('the secret cannot be read');
        return asked === 2 ? 'nonsense' : broker.url;
      },
    });
    await session(1);
    expect(asked).toBe(3);
  });

  it('survives a channel that the broker closes, and keeps the connection', async () => {
    const { told, session } = open();
    const current = await session(1);
    const channel = await current.createChannel();
    const closed = new Promise<void>((resolve) => channel.on('close', resolve));
    await expect(channel.checkExchange('test.absent')).rejects.toMatchObject({ code: 404 });
    await closed;
    await current.createChannel();
    expect(told).toEqual(['connected 1']);
  });

  it('gives up a session that has become useless, and makes a new one', async () => {
    const { told, session } = open();
    const first = await session(1);
    first.abandon('a test wants a new one');
    first.abandon('and says so twice');
    await session(2);
    expect(told).toEqual(['connected 1', 'lost 1', 'connected 2']);
  });

  it('stops without losing acks that were sent just before', async () => {
    const queue = 'test.acks';
    const { connection, session } = open();
    const current = await session(1);
    const publishing = await current.createConfirmChannel();
    await publishing.assertQueue(queue, { durable: true });
    for (let index = 0; index < 2_000; index++) publishing.sendToQueue(queue, Buffer.from(String(index)));
    await publishing.waitForConfirms();

    const consuming: Channel = await current.createChannel();
    let delivered = 0;
    const { promise: all, resolve } = Promise.withResolvers<void>();
    await consuming.consume(queue, (message) => {
      if (message === null) return;
      delivered++;
      consuming.ack(message);
      if (delivered === 2_000) resolve();
    });
    await all;
    await connection.stop();
    expect(await messagesIn(queue)).toBe(0);
  });

  it('tells nothing of its own stop, and stops once however often it is asked', async () => {
    const { connection, told, session } = open();
    await (await session(1)).createChannel();
    await Promise.all([connection.stop(), connection.stop()]);
    await connection.stop();
    connection.start();
    expect([told, connection.connected]).toEqual([['connected 1'], false]);
  });

  it('does not wait for ever for a broker that has frozen', async () => {
    const { connection, session } = open({ closeTimeoutMs: 50 });
    await (await session(1)).createChannel();
    await broker.freeze();
    try {
      await connection.stop();
      expect(connection.connected).toBe(false);
    } finally {
      await broker.thaw();
    }
  });
});
