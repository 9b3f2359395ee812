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
  broker = await startBroker({ management: true });
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

async function callManagement(path: string, body: unknown): Promise<void> {
  const { origin, username, password } = new URL(broker.managementUrl ?? '');
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const headers = { authorization, 'content-type': 'application/json' };
  const response = await fetch(`${origin}/api/${path}`, { method: 'PUT', headers, body: JSON.stringify(body) });
  expect(response.ok, `${path}: ${response.status}`).toBe(true);
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

  // It said "Expected ConnectionOpenOk; got <ConnectionClose channel:0>" for a virtual host that is not there, and printed a stack
  // at every attempt.
  it.each([
    ['a wrong password', (url: string) => url.replace('guest@', 'wrong@'), 'credentials', 'user or the password'],
    ['a virtual host that is not there', (url: string) => `${url}/absent`, 'vhost', 'virtual host'],
    ['TLS at a port without', (url: string) => url.replace('amqp:', 'amqps:'), 'tls_protocol', 'does not speak TLS'],
    ['an unknown host', (url: string) => url.replace('127.0.0.1', 'absent.invalid'), 'dns', 'host name'],
  ])('says %s in plain words, once, without a stack, and that it is fine again', async (_, spoil, reason, words) => {
    const lines: Record<string, unknown>[] = [];
    const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
    let asked = 0;
    const { connection, session } = open({
      log: createLog({ service: 'test', level: 'info' }, { write }),
      readUrl: () => (++asked <= 3 ? spoil(broker.url) : broker.url),
    });
    await until(() => connection.remarks.length > 0);
    expect(connection.remarks[0]).toContain(words);
    await session(1);
    expect(connection.remarks).toEqual([]);
    expect(lines).toMatchObject([
      { level: 'error', reason, msg: expect.stringContaining(words) as unknown },
      { level: 'info', times: 3, msg: 'Connected to the broker again.' },
    ]);
    expect(JSON.stringify(lines)).not.toContain('    at ');
  });

  // amqplib decoded "ü" byte by byte, so that no password beyond ASCII was ever right.
  it('signs in with a password beyond ASCII, raw or percent-encoded', async () => {
    const [user, password] = ['zähler', 'pä$s:wörd/€'];
    await callManagement(`users/${encodeURIComponent(user)}`, { password, tags: '' });
    await callManagement(`permissions/%2F/${encodeURIComponent(user)}`, { configure: '.*', write: '.*', read: '.*' });
    const encoded = broker.url.replace('guest:guest', `${encodeURIComponent(user)}:${encodeURIComponent(password)}`);
    const raw = broker.url.replace('guest:guest', `${user}:pä$s:wörd%2F€`);
    for (const url of [encoded, raw]) {
      const { connection, session } = open({ readUrl: () => url });
      await session(1);
      expect(connection.connected, url).toBe(true);
    }
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
