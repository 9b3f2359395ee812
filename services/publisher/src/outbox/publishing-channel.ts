import type { ConfirmChannel } from 'amqplib';
import type { BrokerSession } from '../../../../shared/amqp/connection.ts';
import { encodeHeaders } from '../../../../shared/event/message.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';

export interface ChannelEvents {
  readonly closed: () => void;
  /** It takes more again. */
  readonly drained: () => void;
  /** No queue is bound for the message with these headers. The broker confirms it all the same, after this. */
  readonly returned: (headers: Record<string, unknown> | undefined) => void;
}

/** The channel that usage is published on: persistent, mandatory, and each message confirmed. */
export class PublishingChannel {
  readonly #channel: ConfirmChannel;
  readonly #exchange: string;
  #isClosed = false;

  private constructor(channel: ConfirmChannel, exchange: string) {
    this.#channel = channel;
    this.#exchange = exchange;
    // Before amqplib's own listener, which fails every unconfirmed message: they are not refused, they are unknown.
    channel.prependListener('close', () => (this.#isClosed = true));
  }

  /** Rejects if there is no such exchange, with code 404, or no channel. */
  static async open(session: BrokerSession, exchange: string, events: ChannelEvents): Promise<PublishingChannel> {
    const channel = await session.createConfirmChannel();
    channel.prependListener('close', events.closed);
    channel.on('drain', events.drained);
    channel.on('return', (message) => events.returned(message.properties.headers));
    await channel.checkExchange(exchange);
    return new PublishingChannel(channel, exchange);
  }

  /**
   * False when it wants no more before it has drained; this one it has taken all the same. Throws when it takes nothing: amqplib
   * closes a connection in steps. `told` is not called for what is unconfirmed when the channel closes.
   */
  publish(origin: MessageOrigin, body: Buffer, told: (confirmed: boolean) => void): boolean {
    const channel = this.#channel;
    const headers = encodeHeaders(origin);
    const options = { persistent: true, mandatory: true, contentType: 'application/json', headers };
    return channel.publish(this.#exchange, String(origin.slot), body, options, (error: unknown) => {
      if (!this.#isClosed) told(error === null);
    });
  }
}
