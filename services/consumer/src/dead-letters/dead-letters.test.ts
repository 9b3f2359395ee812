/**
 * A message that cannot be read is acked once the broker has its copy. A copy that was refused, returned, or on a channel that
 * closed is none: taken for one, the message is gone for ever.
 */
import { expect, it } from 'vitest';
import { type ConsumeMessage, IllegalOperationError } from 'amqplib';
import { UnreadableMessage } from '../../../../shared/event/message.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { FakeBroker, type FakeSession, turns } from '../../../../shared/testing/fake-broker.ts';
import { until } from '../../../../shared/testing/until.ts';
import { DeadLetters } from './dead-letters.ts';

const message = {
  content: Buffer.from('no JSON'),
  fields: { routingKey: '7', deliveryTag: 1 },
  properties: { headers: { 'x-producer': 'p' } },
} as unknown as ConsumeMessage;

const log = createLog({ service: 'test', level: 'silent' });
const unreadable = new UnreadableMessage('body_not_json', 'it is no JSON');

function setUp() {
  const broker = new FakeBroker();
  const troubles = new Troubles(log);
  const letters = new DeadLetters({ broker: broker.connection, namespace: 'tallyman', troubles });
  const bury = (isWanted = () => true) => {
    const burial = { fate: 'under way' as boolean | 'under way' };
    void letters.bury(message, unreadable, 'tallyman.shard.007', isWanted).then((fate) => (burial.fate = fate));
    return burial;
  };
  return { broker, letters, troubles, bury };
}

async function publishing() {
  const { broker, bury, ...rest } = setUp();
  const session = broker.connect();
  const burial = bury();
  await turns();
  return { session, broker, burial, ...rest };
}

/** It was published once more: so its first copy was not taken for confirmed. */
async function again(session: FakeSession, times = 2): Promise<void> {
  await until(() => expect(session.channels.flatMap(({ published }) => published)).toHaveLength(times));
}

it('goes to the dead exchange as it is, persistent and mandatory, with its reason', async () => {
  const { session } = await publishing();
  const [published] = session.channel.published;
  expect(published).toMatchObject({ exchange: 'tallyman.dead', routingKey: '7', body: message.content });
  expect(published?.options).toMatchObject({ persistent: true, mandatory: true });
  expect(published?.options.headers).toMatchObject({ 'x-producer': 'p', 'x-tallyman-reason': 'body_not_json' });
});

it('is there once the broker has confirmed it, and not before', async () => {
  const { session, burial, letters } = await publishing();
  expect([burial.fate, letters.waiting]).toEqual(['under way', 1]);
  session.channel.confirm();
  await turns();
  expect([burial.fate, letters.waiting]).toEqual([true, 0]);
});

it('is not there when the broker refuses it, and is published again', async () => {
  const { session, burial, troubles } = await publishing();
  session.channel.nack();
  await again(session);
  expect(burial.fate).toBe('under way');
  expect(troubles.remarks).toEqual([expect.stringContaining('nacked')]);
  session.channel.confirm();
  await turns();
  expect(burial.fate).toBe(true);
  expect(troubles.remarks).toEqual([]);
});

it('is not there when no queue is bound for it, although the broker confirms it', async () => {
  const { session, burial } = await publishing();
  session.channel.return();
  session.channel.confirm();
  await again(session);
  expect(burial.fate).toBe('under way');
});

it('is not there when the channel ends before the confirm', async () => {
  const { session, burial } = await publishing();
  session.channel.closed();
  await again(session);
  expect(burial.fate).toBe('under way');
});

it('is published on a channel of the connection that is there by then', async () => {
  const { broker, bury } = setUp();
  const burial = bury();
  await turns();
  const old = broker.connect();
  await turns();
  expect(old.channel.published).toHaveLength(1);
  broker.lose(old);
  await turns();
  const session = broker.connect();
  await again(session, 1);
  session.channel.confirm();
  await turns();
  expect(burial.fate).toBe(true);
});

it('is not told as confirmed, nor published again, once its shard does not hold it any more', async () => {
  const { broker, bury } = setUp();
  const session = broker.connect();
  let isWanted = true;
  const burial = bury(() => isWanted);
  await turns();
  isWanted = false;
  session.channel.confirm();
  await turns();
  expect(burial.fate).toBe(false);
  expect(session.channel.published).toHaveLength(1);
});

// A header that makes a frame larger than the broker takes ends the connection without a word about which message it was.
it('goes without its headers once its connection has ended twice with it', async () => {
  const { broker, bury } = setUp();
  const burial = bury();
  for (let time = 0; time < 2; time++) {
    const session = broker.connect();
    await again(session, 1);
    expect(session.channel.published[0]?.options.headers).not.toHaveProperty('x-tallyman-omitted');
    broker.lose(session);
    await turns();
  }
  const session = broker.connect();
  await again(session, 1);
  expect(session.channel.published[0]).toMatchObject({
    routingKey: '',
    options: {
      headers: { 'x-producer': 'p', 'x-tallyman-reason': 'body_not_json', 'x-tallyman-omitted': 'headers' },
    },
  });
  session.channel.confirm();
  await turns();
  expect(burial.fate).toBe(true);
});

it('is waited for while the broker has an alarm, and that is told', async () => {
  const { letters, broker, session } = await publishing();
  broker.block(true);
  expect(letters.isBlocked).toBe(true);
  broker.lose(session);
  expect(letters.isBlocked).toBe(false);
});

// A channel that closes together with the answer that opens it was kept: every letter was refused by it until the connection ended.
it('is published on another channel when its own was closed before anybody listened', async () => {
  const { broker, bury } = setUp();
  const session = broker.connect();
  session.prepare = (channel) => {
    session.prepare = () => undefined;
    channel.closed();
    channel.publish = () => {
      throw new IllegalOperationError('Channel closed', '');
    };
  };
  const burial = bury();
  await again(session, 1);
  expect(session.channels).toHaveLength(2);
  session.channel.confirm();
  await turns();
  expect(burial.fate).toBe(true);
});
