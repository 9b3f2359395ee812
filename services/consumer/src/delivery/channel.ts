import type { Channel, ConsumeMessage } from 'amqplib';
import { closed } from '../../../../shared/amqp/closed.ts';
import type { BrokerSession } from '../../../../shared/amqp/connection.ts';

export interface ChannelHandlers {
  /** Called synchronously and in order of delivery. */
  delivered(message: ConsumeMessage): void;
  /** The channel is gone: closed by the broker, by its connection, or because the broker cancelled the consumer. */
  lost(isCancelled: boolean): void;
}

/**
 * One consuming channel of one shard: a single life that ends with `lost` or `close`, never both. What the broker does
 * after that is dropped; the shard's core tells generations apart as well.
 */
export class ShardChannel {
  readonly #channel: Channel;
  readonly #queue: string;
  readonly #handlers: ChannelHandlers;
  #consumerTag: string | undefined;
  #cancelled = false;
  #over = false;

  private constructor(channel: Channel, queue: string, handlers: ChannelHandlers) {
    this.#channel = channel;
    this.#queue = queue;
    this.#handlers = handlers;
    channel.on('close', () => this.#closedByBroker());
  }

  static async open(session: BrokerSession, queue: string, handlers: ChannelHandlers): Promise<ShardChannel> {
    return new ShardChannel(await session.createChannel(), queue, handlers);
  }

  /**
   * Consumes with this prefetch, or with a new one: a prefetch only holds for consumers that come after it (AMQP 0-9-1,
   * basic.qos, global = false), so the new consumer comes first and the old one is cancelled. Unacked deliveries stay.
   */
  async consume(prefetch: number): Promise<void> {
    await this.#channel.prefetch(prefetch, false);
    if (this.#cancelled) return;
    const previous = this.#consumerTag;
    const { consumerTag } = await this.#channel.consume(this.#queue, (message) => this.#receive(message), {
      noAck: false,
    });
    this.#consumerTag = consumerTag;
    if (previous !== undefined) await this.#channel.cancel(previous);
    // `cancel` came while this consumer was being made, and found only the one before it, or none.
    if (this.#cancelled && !this.#over) await this.#channel.cancel(consumerTag);
  }

  /** Deliveries still arrive until the broker has answered, and count. */
  async cancel(): Promise<void> {
    this.#cancelled = true;
    if (this.#consumerTag !== undefined && !this.#over) await this.#channel.cancel(this.#consumerTag);
  }

  ackThrough(tag: number): void {
    if (this.#over) return;
    // amqplib reads nothing of the message but its delivery tag.
    const message: Pick<ConsumeMessage, 'fields'> = { fields: { deliveryTag: tag } as ConsumeMessage['fields'] };
    this.#channel.ack(message as ConsumeMessage, true);
  }

  /** Resolves when the broker has taken every ack and has all unacked messages back, or the connection is gone: then it soon has. */
  async close(): Promise<void> {
    this.#over = true;
    await closed(this.#channel);
  }

  #receive(message: ConsumeMessage | null): void {
    if (this.#over) return;
    if (message !== null) {
      this.#handlers.delivered(message);
      return;
    }
    // The broker cancelled the consumer (queue deleted, failover): the rest of the channel is of no use.
    this.#over = true;
    this.#channel.close().catch(() => {
      // Closed already, which is what was wanted.
    });
    this.#handlers.lost(true);
  }

  #closedByBroker(): void {
    if (this.#over) return;
    this.#over = true;
    this.#handlers.lost(false);
  }
}
