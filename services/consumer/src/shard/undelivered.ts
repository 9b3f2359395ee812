import type { Logger } from '../../../../shared/log/log.ts';
import { counted } from '../../../../shared/log/troubles.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import { brokerCode } from '../../../../shared/topology/broker-view.ts';
import type { Unsealed } from './protocol.ts';

const notFound = 404;

/** What a shard has discarded and the broker has not delivered again so far: lost, if its queue is not there any more. */
export class Undelivered {
  readonly #queue: string;
  readonly #log: Logger;
  #unsealed: Unsealed = { messages: 0, events: 0 };

  constructor(queue: string, log: Logger) {
    this.#queue = queue;
    this.#log = log;
  }

  add({ messages, events }: Unsealed): void {
    this.#unsealed = { messages: this.#unsealed.messages + messages, events: this.#unsealed.events + events };
  }

  /** The queue is consumed again, and so it comes again. */
  returns(): void {
    this.#unsealed = { messages: 0, events: 0 };
  }

  /** The queue cannot be consumed. */
  failed(error: unknown): void {
    const { messages, events } = this.#unsealed;
    if (messages === 0 || !isDeleted(error)) return;
    this.returns();
    this.#log.error(
      { queue: this.#queue, messages, events },
      `A queue was deleted while ${counted(messages, 'message')} of ${counted(events, 'event')} from it were counted and not sealed: they cannot be delivered again and are not billed. Run tallyman topology, then have their applications send the usage of the last minutes again with the same ids.`,
    );
  }
}

/** RabbitMQ says the same of a queue whose node is away, and that one comes back with its messages. */
function isDeleted(error: unknown): boolean {
  return brokerCode(error) === notFound && !/down or inaccessible/.test(messageOf(error));
}
