import { EventEmitter } from 'node:events';
import type { ConsumeMessage } from 'amqplib';
import { describe, expect, it } from 'vitest';
import type { BrokerSession } from '../../../../shared/amqp/connection.ts';
import { ShardChannel } from './channel.ts';

type Receive = (message: ConsumeMessage | null) => void;

/** A channel of amqplib whose broker answers `consume` when it is told to. */
class FakeChannel extends EventEmitter {
  readonly consumers = new Map<string, Receive>();
  readonly acked: number[] = [];
  prefetched: number | undefined;
  closed = false;
  #made = 0;
  #waiting: (() => void)[] = [];

  async prefetch(count: number): Promise<void> {
    this.prefetched = count;
  }

  consume(_queue: string, receive: Receive): Promise<{ consumerTag: string }> {
    const consumerTag = `consumer-${++this.#made}`;
    return new Promise((resolve) => {
      this.#waiting.push(() => {
        this.consumers.set(consumerTag, receive);
        resolve({ consumerTag });
      });
    });
  }

  async cancel(consumerTag: string): Promise<void> {
    this.consumers.delete(consumerTag);
  }

  ack({ fields }: ConsumeMessage, allUpTo: boolean): void {
    if (allUpTo) this.acked.push(fields.deliveryTag);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.emit('close');
  }

  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  answerConsume(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }

  deliver(message: ConsumeMessage | null): void {
    for (const receive of this.consumers.values()) receive(message);
  }
}

function message(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage;
}

async function open() {
  const fake = new FakeChannel();
  const delivered: number[] = [];
  const life = { lost: 0, cancelled: 0 };
  const session = { createChannel: async () => fake } as unknown as BrokerSession;
  const channel = await ShardChannel.open(session, 'queue', {
    delivered: ({ fields }) => void delivered.push(fields.deliveryTag),
    lost: (isCancelled) => {
      life.lost++;
      if (isCancelled) life.cancelled++;
    },
  });
  return { fake, channel, delivered, life };
}

/** Everything that was only waiting for promises has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

async function consuming() {
  const opened = await open();
  const begun = opened.channel.consume(4_000);
  await settled();
  opened.fake.answerConsume();
  await begun;
  return opened;
}

describe('ShardChannel', () => {
  it('changes the prefetch by a new consumer, and cancels the old one only then', async () => {
    const { fake, channel, delivered } = await consuming();
    const changed = channel.consume(8_000);
    await settled();
    expect(fake.prefetched).toBe(8_000);
    expect([...fake.consumers.keys()]).toEqual(['consumer-1']);
    fake.answerConsume();
    await changed;
    expect([...fake.consumers.keys()]).toEqual(['consumer-2']);
    fake.deliver(message(1));
    expect(delivered).toEqual([1]);
  });

  // A drain that came while the prefetch was being changed cancelled the old consumer, and the new one went on to fetch
  // usage: the shard sealed set after set until its drain time was over.
  it('cancels a consumer too that was being made when it was told to cancel', async () => {
    const { fake, channel } = await consuming();
    const changed = channel.consume(8_000);
    await settled();
    await channel.cancel();
    fake.answerConsume();
    await changed;
    expect(fake.consumers.size).toBe(0);
  });

  it('cancels the first consumer too when that was still being made', async () => {
    const { fake, channel } = await open();
    const begun = channel.consume(4_000);
    await settled();
    await channel.cancel();
    fake.answerConsume();
    await begun;
    expect(fake.consumers.size).toBe(0);
  });

  it('makes no consumer any more once it was cancelled', async () => {
    const { fake, channel } = await open();
    await channel.cancel();
    await channel.consume(4_000);
    expect(fake.isAsked).toBe(false);
  });

  it('acks everything up to a tag, and nothing once it is over', async () => {
    const { fake, channel } = await consuming();
    channel.ackThrough(3);
    await channel.close();
    channel.ackThrough(4);
    expect(fake.acked).toEqual([3]);
  });

  it('is closed when its connection dies before the close is answered', async () => {
    const { fake, channel } = await consuming();
    fake.close = () => new Promise(() => undefined);
    const closing = channel.close();
    fake.emit('close');
    await expect(closing).resolves.toBeUndefined();
  });

  it('drops what arrives after it was closed, and does not call that a loss', async () => {
    const { fake, channel, delivered, life } = await consuming();
    await channel.close();
    fake.deliver(message(1));
    expect(delivered).toEqual([]);
    expect(life.lost).toBe(0);
  });

  it.each([
    { how: 'its connection', cancelled: 0, lose: (fake: FakeChannel) => void fake.emit('close') },
    { how: 'the broker, which cancels the consumer', cancelled: 1, lose: (fake: FakeChannel) => fake.deliver(null) },
  ])('is lost once with $how', async ({ cancelled, lose }) => {
    const { fake, delivered, life } = await consuming();
    lose(fake);
    fake.emit('close');
    fake.deliver(message(1));
    expect(life).toEqual({ lost: 1, cancelled });
    expect(delivered).toEqual([]);
  });
});
