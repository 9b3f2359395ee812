import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { deadExchange, shardQueue, usageExchange } from '../../../shared/topology/names.ts';
import { maxShards } from '../../../shared/topology/slots.ts';

/** Removes a cluster's exchanges and queues, with what is in them. */
export async function clearBroker(url: string, namespace: string): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  for (let shard = 0; shard < maxShards; shard++) await channel.deleteQueue(shardQueue(namespace, shard));
  await channel.deleteQueue(deadExchange(namespace));
  await channel.deleteExchange(deadExchange(namespace));
  await channel.deleteExchange(usageExchange(namespace));
  await channel.close();
  await connection.close();
}

/** Removes a cluster's keys. */
export async function clearRedis(url: string, namespace: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 2 });
  try {
    const keys = redis.scanStream({ match: `${namespace}:*`, count: 1_000 });
    for await (const found of keys) if (Array.isArray(found) && found.length > 0) await redis.unlink(found as string[]);
  } finally {
    redis.disconnect();
  }
}
