import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net';
import { connect } from 'amqplib';
import { decodeMessage } from '../../../shared/event/message.ts';
import type { MessageOrigin, UsageMessage } from '../../../shared/event/usage-event.ts';
import { shardQueue, usageExchange } from '../../../shared/topology/names.ts';
import { slotMap } from '../../../shared/topology/slots.ts';

/** For tests: what the topology command declares on the broker, and what is on the queues. */
const shards = 4;

export async function declareQueues(
  url: string,
  namespace: string,
  withoutSlots: readonly number[] = [],
): Promise<void> {
  await onChannel(url, async (channel) => {
    await channel.assertExchange(usageExchange(namespace), 'direct', { durable: true });
    for (const [slot, shard] of slotMap(shards).entries()) {
      await channel.assertQueue(shardQueue(namespace, shard), { durable: true });
      if (withoutSlots.includes(slot)) continue;
      await channel.bindQueue(shardQueue(namespace, shard), usageExchange(namespace), String(slot));
    }
  });
}

export async function bindSlot(url: string, namespace: string, slot: number): Promise<void> {
  await onChannel(url, async (channel) => {
    await channel.bindQueue(shardQueue(namespace, slotMap(shards)[slot] ?? 0), usageExchange(namespace), String(slot));
  });
}

export async function deleteExchange(url: string, namespace: string): Promise<void> {
  await onChannel(url, async (channel) => {
    await channel.deleteExchange(usageExchange(namespace));
  });
}

export interface Stored {
  readonly origin: MessageOrigin;
  readonly message: UsageMessage;
  readonly body: Buffer;
  readonly routingKey: string;
  readonly persistent: boolean;
}

/** Takes every message off the queues, or only looks at them. Throws if one of them is not readable. */
export async function takeAll(
  url: string,
  namespace: string,
  then: 'drop' | 'keep' = 'drop',
): Promise<readonly Stored[]> {
  const stored: Stored[] = [];
  await onChannel(url, async (channel) => {
    for (let shard = 0; shard < shards; shard++) {
      for (;;) {
        const taken = await channel.get(shardQueue(namespace, shard), { noAck: then === 'drop' });
        if (taken === false) break;
        const { content, fields, properties } = taken;
        const decoded = decodeMessage(content, properties.headers);
        stored.push({
          ...decoded,
          body: content,
          routingKey: fields.routingKey,
          persistent: properties.deliveryMode === 2,
        });
      }
    }
  });
  return stored;
}

export function idsOf(stored: readonly Stored[]): ReadonlySet<string> {
  return new Set(stored.flatMap(({ message }) => message.events.map(({ id }) => id)));
}

/** A gate between a client and the broker, on a port of its own. */
export interface Gate {
  readonly url: string;
  /** From now on nothing that the broker says reaches the clients that are connected. */
  muffle(): void;
  /** Ends every connection. New ones are passed on whole. */
  cut(): void;
  close(): void;
}

export async function openGate(brokerPort: number): Promise<Gate> {
  const pairs = new Set<{ readonly client: Socket; readonly broker: Socket; muffled: boolean }>();
  const server = createServer((client) => {
    const pair = { client, broker: connectSocket(brokerPort, '127.0.0.1'), muffled: false };
    pairs.add(pair);
    client.on('data', (bytes) => pair.broker.write(bytes));
    pair.broker.on('data', (bytes) => {
      if (!pair.muffled) client.write(bytes);
    });
    const end = (): void => {
      client.destroy();
      pair.broker.destroy();
      pairs.delete(pair);
    };
    for (const socket of [client, pair.broker]) socket.on('close', end).on('error', end);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const { client } of pairs) client.destroy();
  };
  return {
    url: `amqp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    muffle() {
      for (const pair of pairs) pair.muffled = true;
    },
    cut,
    close() {
      cut();
      server.close();
    },
  };
}

type Channel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>;

async function onChannel(url: string, work: (channel: Channel) => Promise<void>): Promise<void> {
  const connection = await connect(url);
  try {
    const channel = await connection.createChannel();
    await work(channel);
    await channel.close();
  } finally {
    await connection.close();
  }
}
