import { connect } from 'amqplib';
import { shardQueue } from '../../../shared/topology/names.ts';

/** Takes what comes and throws it away, in the place of consumers. Ends with the connection. */
export async function drainQueues(amqpUrl: string, namespace: string, shards: number): Promise<() => Promise<void>> {
  const connection = await connect(amqpUrl);
  const channel = await connection.createChannel();
  for (let shard = 0; shard < shards; shard++) {
    await channel.consume(shardQueue(namespace, shard), () => undefined, { noAck: true });
  }
  return async () => {
    await channel.close();
    await connection.close();
  };
}
