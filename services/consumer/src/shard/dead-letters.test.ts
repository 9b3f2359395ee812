/**
 * A message that cannot be read is acked once the broker has its copy. A copy that was refused, returned, or on a channel that
 * closed is none: taken for one, the message is gone for ever.
 */
import { expect, it } from 'vitest';
import type { ConsumeMessage } from 'amqplib';
import { FakeBroker, type FakeSession, turns } from '../../../../shared/testing/fake-broker.ts';
import { DeadLetters } from './dead-letters.ts';

const message = {
  content: Buffer.from('no JSON'),
  fields: { routingKey: '7', deliveryTag: 1 },
  properties: { headers: { 'x-producer': 'p' } },
} as unknown as ConsumeMessage;

type Fate = 'under way' | 'confirmed' | 'failed';

async function publishing(): Promise<{ session: FakeSession; broker: FakeBroker; fate: () => Promise<Fate> }> {
  const broker = new FakeBroker();
  const letters = new DeadLetters(broker.connection, 'tallyman');
  const session = broker.connect();
  let fate: Fate = 'under way';
  letters.publish(message, 'body_not_json', 'it is no JSON').then(
    () => (fate = 'confirmed'),
    () => (fate = 'failed'),
  );
  await turns();
  return {
    session,
    broker,
    fate: async () => {
      await turns();
      return fate;
    },
  };
}

it('goes to the dead exchange as it is, persistent and mandatory, with its reason', async () => {
  const { session } = await publishing();
  const [published] = session.channel.published;
  expect(published).toMatchObject({ exchange: 'tallyman.dead', routingKey: '7', body: message.content });
  expect(published?.options).toMatchObject({ persistent: true, mandatory: true });
  expect(published?.options.headers).toMatchObject({ 'x-producer': 'p', 'x-tallyman-reason': 'body_not_json' });
});

it('is there once the broker has confirmed it, and not before', async () => {
  const { session, fate } = await publishing();
  expect(await fate()).toBe('under way');
  session.channel.confirm();
  expect(await fate()).toBe('confirmed');
});

it('is not there when the broker refuses it', async () => {
  const { session, fate } = await publishing();
  session.channel.nack();
  expect(await fate()).toBe('failed');
});

it('is not there when no queue is bound for it, although the broker confirms it', async () => {
  const { session, fate } = await publishing();
  session.channel.return();
  session.channel.confirm();
  expect(await fate()).toBe('failed');
});

it('is not there when the channel or the connection ends before the confirm', async () => {
  const first = await publishing();
  first.session.channel.closed();
  expect(await first.fate()).toBe('failed');
  const second = await publishing();
  second.broker.lose(second.session);
  expect(await second.fate()).toBe('failed');
});

it('is published on a channel of the connection that is there by then', async () => {
  const broker = new FakeBroker();
  const letters = new DeadLetters(broker.connection, 'tallyman');
  await expect(letters.publish(message, 'body_not_json', '')).rejects.toThrow('no connection');
  const old = broker.connect();
  const lost = letters.publish(message, 'body_not_json', '').catch((error: unknown) => error);
  await turns();
  broker.lose(old);
  expect(await lost).toBeInstanceOf(Error);
  const session = broker.connect();
  const published = letters.publish(message, 'body_not_json', '');
  await turns();
  expect(old.channel.published).toHaveLength(1);
  session.channel.confirm();
  await published;
});
