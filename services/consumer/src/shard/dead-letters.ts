import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import type { BrokerConnection, BrokerSession } from '../../../../shared/amqp/connection.ts';
import { deadExchange } from '../../../../shared/topology/names.ts';

/**
 * Where messages go that cannot be read: to the dead-letter exchange, as they are, with their reason in a header. The
 * original is acked only after the broker has confirmed the copy, so at every moment there is at least one of them.
 * One at a time: such messages are rare, and a returned one can then be told from a confirmed one.
 */
export class DeadLetters {
  readonly #exchange: string;
  #session: BrokerSession | undefined;
  #channel: ConfirmChannel | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(broker: BrokerConnection, namespace: string) {
    this.#exchange = deadExchange(namespace);
    broker.onConnected((session) => {
      this.#session = session;
    });
    broker.onLost(() => {
      this.#session = undefined;
      this.#channel = undefined;
    });
  }

  /** Resolves when the broker has it; rejects when that is not known: a repetition may then be a second copy. */
  publish(message: ConsumeMessage, reason: string, detail: string): Promise<void> {
    const published = this.#queue.then(() => this.#publish(message, reason, detail));
    this.#queue = published.catch(() => {
      // The caller hears of it; the next letter is independent of it.
    });
    return published;
  }

  async #publish(message: ConsumeMessage, reason: string, detail: string): Promise<void> {
    this.#channel ??= await this.#open();
    const channel = this.#channel;
    await new Promise<void>((resolve, reject) => {
      const returned = (): void => settle(new Error(`No queue is bound to ${this.#exchange}. Run npm run topology.`));
      const closed = (): void => settle(new Error('The channel closed before the dead letter was confirmed.'));
      const settle = (error: unknown): void => {
        channel.off('return', returned).off('close', closed);
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error('The broker refused the dead letter.'));
      };
      channel.on('return', returned).on('close', closed);
      channel.publish(
        this.#exchange,
        message.fields.routingKey,
        message.content,
        {
          persistent: true,
          mandatory: true,
          headers: {
            ...message.properties.headers,
            'x-tallyman-reason': reason,
            'x-tallyman-detail': detail.slice(0, 500),
          },
        },
        settle,
      );
    });
  }

  async #open(): Promise<ConfirmChannel> {
    if (this.#session === undefined) throw new Error('There is no connection to the broker.');
    const channel = await this.#session.createConfirmChannel();
    channel.on('close', () => {
      if (this.#channel === channel) this.#channel = undefined;
    });
    return channel;
  }
}
