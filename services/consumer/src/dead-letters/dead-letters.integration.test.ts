import { type Channel, type ChannelModel, connect, type ConsumeMessage, type GetMessage } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BrokerConnection } from '../../../../shared/amqp/connection.ts';
import { UnreadableMessage } from '../../../../shared/event/message.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { type Broker, startBroker } from '../../../../shared/testing/broker.ts';
import { until } from '../../../../shared/testing/until.ts';
import { deadExchange } from '../../../../shared/topology/names.ts';
import { DeadLetters } from './dead-letters.ts';
import { partBytes } from './letter.ts';

const namespace = 'letters';
const dead = deadExchange(namespace);
const inbox = 'inbox';
const unreadable = new UnreadableMessage('body_not_json', 'it ends too soon');

let broker: Broker;
let connection: ChannelModel;
let channel: Channel;
beforeAll(async () => {
  broker = await startBroker();
  connection = await connect(broker.url);
  connection.on('error', () => {
    // The broker ends with the test file.
  });
});
afterAll(async () => {
  await connection.close();
  await broker.stop();
});

async function declareDead(): Promise<void> {
  await channel.assertQueue(dead, { durable: true });
  await channel.assertExchange(dead, 'fanout', { durable: true });
  await channel.bindQueue(dead, dead, '');
}

beforeEach(async () => {
  channel = await connection.createChannel();
  await channel.assertQueue(inbox, { durable: true });
  await declareDead();
  await channel.purgeQueue(dead);
});

let opened: DeadLetters | undefined;
afterEach(async () => {
  await opened?.stop();
  await channel.close();
});

function open() {
  const log = createLog({ service: 'test', level: 'silent' });
  const troubles = new Troubles(log);
  const letters = new DeadLetters({
    broker: new BrokerConnection({ readUrl: () => broker.url, name: 'letters', log, retry: { baseMs: 10, maxMs: 50 } }),
    namespace,
    troubles,
  });
  opened = letters;
  return { letters, troubles, bury: (message: ConsumeMessage) => letters.bury(message, unreadable, inbox, () => true) };
}

/** As a consumer is given it: read by amqplib from a real broker. */
async function delivered(headers: Record<string, unknown>, body: Buffer = Buffer.from('{')): Promise<ConsumeMessage> {
  channel.sendToQueue(inbox, body, { headers });
  const message = await until(() => channel.get(inbox, { noAck: true }));
  return { ...message, fields: { ...message.fields, consumerTag: 'test' } };
}

function lettersThere(count: number): Promise<readonly GetMessage[]> {
  return until(async () => {
    expect((await channel.checkQueue(dead)).messageCount).toBe(count);
    const found: GetMessage[] = [];
    for (let index = 0; index < count; index++) {
      const message = await channel.get(dead, { noAck: true });
      if (message !== false) found.push(message);
    }
    return found;
  });
}

const reason = { 'x-tallyman-reason': 'body_not_json', 'x-tallyman-detail': 'it ends too soon' };

describe('DeadLetters', () => {
  it('keeps headers, routing key and body, and adds the reason', async () => {
    const { bury, letters } = open();
    const message = await delivered({ 'x-producer': 'p', 'x-slot': 3, more: 'of it' });
    expect(await bury(message)).toBe(true);
    const [letter] = await lettersThere(1);
    expect(letter?.content).toEqual(message.content);
    expect(letter?.fields.routingKey).toBe(inbox);
    expect(letter?.properties.headers).toEqual({ 'x-producer': 'p', 'x-slot': 3, more: 'of it', ...reason });
    expect(letters.waiting).toBe(0);
  });

  // One message with a header that amqplib reads and cannot write again stood at the head of its shard for ever: its dead
  // letter failed at each attempt, and nothing that was settled behind it was acked.
  it.each([
    ['a timestamp of 2^64 - 1', { at: { '!': 'timestamp', value: 2n ** 64n - 1n } }],
    ['a number beyond 64 bits', { at: { '!': 'double', value: -1e300 } }],
    ['a table with a field called !', { at: { '!': 'object', value: { '!': 'nothing', value: 1 } } }],
    ['65 KB of them', { at: 'x'.repeat(65_440) }],
  ])('leaves headers out that cannot be written again: %s', async (_, headers) => {
    const { bury } = open();
    const message = await delivered({ 'x-producer': 'somebody', 'x-slot': 3, 'x-sequence': 9, ...headers });
    expect(await bury(message)).toBe(true);
    const [letter] = await lettersThere(1);
    expect(letter?.content).toEqual(message.content);
    expect(letter?.properties.headers).toEqual({
      'x-producer': 'somebody',
      'x-slot': 3,
      'x-sequence': 9,
      'x-tallyman-omitted': 'headers',
      ...reason,
    });
  });

  it('waits for a queue that was deleted, says what to run, and goes on when it is there', async () => {
    const { bury, letters, troubles } = open();
    const message = await delivered({});
    await channel.deleteQueue(dead);
    const buried = bury(message);
    await until(() => expect(troubles.remarks).toEqual([expect.stringMatching(/tallyman topology/)]));
    expect(letters.waiting).toBe(1);
    await declareDead();
    expect(await buried).toBe(true);
    await lettersThere(1);
    expect(troubles.remarks).toEqual([]);
  });

  it('waits for an exchange that was deleted, with everything in the letter', async () => {
    const { bury, troubles } = open();
    const message = await delivered({ more: 'of it' });
    await channel.deleteExchange(dead);
    const buried = bury(message);
    await until(() => expect(troubles.remarks).toEqual([expect.stringMatching(/no exchange.*tallyman topology/)]));
    await declareDead();
    expect(await buried).toBe(true);
    const [letter] = await lettersThere(1);
    expect(letter?.properties.headers).toEqual({ more: 'of it', ...reason });
  });

  it('gives up a message that its shard does not hold any more', async () => {
    const { letters } = open();
    const message = await delivered({});
    await channel.deleteQueue(dead);
    let isWanted = true;
    const buried = letters.bury(message, unreadable, inbox, () => isWanted);
    await until(() => expect(letters.waiting).toBe(1));
    isWanted = false;
    expect(await buried).toBe(false);
  });

  // The size that a broker takes can be lowered while it holds larger messages.
  it('sends a body in parts that is larger than the broker takes by now', async ({ skip }) => {
    const { control } = broker;
    if (control === undefined) return skip('RabbitMQ only');
    const { bury } = open();
    const body = Buffer.alloc(2 * partBytes + 5, 'ab');
    const message = await delivered({ more: 'of it' }, body);
    const limit = (bytes: number) => control('eval', `application:set_env(rabbit, max_message_size, ${bytes}).`);
    await limit(partBytes + 1_000);
    try {
      expect(await bury(message)).toBe(true);
    } finally {
      await limit(134_217_728);
    }
    const parts = await lettersThere(3);
    expect(Buffer.concat(parts.map(({ content }) => content)).equals(body)).toBe(true);
    expect(parts.map(({ properties }) => properties.headers)).toMatchObject(
      ['1/3', '2/3', '3/3'].map((part) => ({ 'x-tallyman-part': part, ...reason })),
    );
    return undefined;
  });
});
