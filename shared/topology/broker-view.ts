import type { Channel } from 'amqplib';
import { closed } from '../amqp/closed.ts';

/** Whoever gives channels on one connection: amqplib's own, or a session of `shared/amqp`. */
export interface Channels {
  createChannel(): Promise<Channel>;
}

export interface QueueState {
  /** Messages that no consumer holds. What consumers hold unacked cannot be seen over AMQP. */
  readonly ready: number;
  readonly consumers: number;
}

export async function exchangeExists(channels: Channels, exchange: string): Promise<boolean> {
  return (await passively(channels, (channel) => channel.checkExchange(exchange))) !== undefined;
}

/** Undefined when there is no such queue. */
export async function queueState(channels: Channels, queue: string): Promise<QueueState | undefined> {
  const found = await passively(channels, (channel) => channel.checkQueue(queue));
  return found === undefined ? undefined : { ready: found.messageCount, consumers: found.consumerCount };
}

/** Of many queues, on as few channels as the broker lets us: it ends one at each queue that is not there. Those are left out. */
export async function queueStates(channels: Channels, queues: readonly string[]): Promise<Map<string, QueueState>> {
  const states = new Map<string, QueueState>();
  let next = 0;
  while (next < queues.length) {
    await passively(channels, async (channel) => {
      for (let queue = queues[next++]; queue !== undefined; queue = queues[next++]) {
        const { messageCount, consumerCount } = await channel.checkQueue(queue);
        states.set(queue, { ready: messageCount, consumers: consumerCount });
      }
    });
  }
  return states;
}

/** A question that the broker answers with 404 when there is nothing; that ends the channel, so each has its own. */
async function passively<T>(channels: Channels, ask: (channel: Channel) => Promise<T>): Promise<T | undefined> {
  try {
    return await onChannel(channels, ask);
  } catch (error) {
    if (brokerCode(error) === 404) return undefined;
    throw error;
  }
}

/** Runs `use` on a channel of its own. A channel that the broker has closed meanwhile needs no closing. */
export async function onChannel<T>(channels: Channels, use: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await channels.createChannel();
  let isOpen = true;
  channel.on('error', () => {
    // Whoever waits for an answer on this channel is rejected with the same error.
  });
  channel.on('close', () => {
    isOpen = false;
  });
  try {
    return await use(channel);
  } finally {
    if (isOpen) await closed(channel);
  }
}

/** The AMQP reply code of an error, for example 404 or 406. */
export function brokerCode(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}
