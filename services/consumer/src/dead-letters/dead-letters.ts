import { setTimeout as sleep } from 'node:timers/promises';
import { type ConfirmChannel, type ConsumeMessage, IllegalOperationError } from 'amqplib';
import {
  BrokerConnection,
  type BrokerConnectionOptions,
  type BrokerSession,
} from '../../../../shared/amqp/connection.ts';
import type { UnreadableMessage } from '../../../../shared/event/message.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Troubles } from '../../../../shared/log/troubles.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import { brokerCode } from '../../../../shared/topology/broker-view.ts';
import { deadExchange } from '../../../../shared/topology/names.ts';
import { type Letter, lettersOf, partHeader } from './letter.ts';

/**
 * Where messages go that cannot be read: to the dead-letter exchange, with their reason in a header. The original is
 * acked only after the broker has confirmed the copy, so at every moment there is at least one of them. One at a time: such
 * messages are rare, and a returned one can then be told from a confirmed one.
 *
 * They have a connection of their own, opened with the first of them: while the broker has an alarm (memory, disk) it reads
 * nothing any more from a connection that publishes, and acks of the shards would wait behind a dead letter.
 *
 * What the broker or the client cannot take as it is, is published with less around it (letter.ts): a message that could
 * never be dead-lettered would hold back every ack of its shard.
 */
export interface DeadLettersOptions {
  /** Nobody else's: what is published on it must hold up nothing. Started with the first letter. */
  readonly broker: BrokerConnection;
  readonly namespace: string;
  readonly troubles: Troubles;
}

/** Published in this form the message cannot arrive. */
class UnfitLetter extends Error {}

const retryPolicy = { baseMs: 50, maxMs: 2_000 };
const connectPatienceMs = 5_000;
/** So often a letter's connection may end without a word before the letter is taken for the cause. */
const interruptionsMax = 2;
const waitsReason = 'dead_letters_wait';

export class DeadLetters {
  readonly #broker: BrokerConnection;
  readonly #exchange: string;
  readonly #troubles: Troubles;
  readonly #interruptions = new WeakMap<ConsumeMessage, number>();
  #session: PromiseWithResolvers<BrokerSession> = Promise.withResolvers();
  #channel: ConfirmChannel | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isBlocked = false;

  constructor({ broker, namespace, troubles }: DeadLettersOptions) {
    this.#broker = broker;
    this.#exchange = deadExchange(namespace);
    this.#troubles = troubles;
    broker.onConnected((session) => this.#session.resolve(session));
    broker.onLost(() => {
      this.#session = Promise.withResolvers();
      this.#channel = undefined;
      this.#isBlocked = false;
    });
    broker.onBlocked((isBlocked) => {
      this.#isBlocked = isBlocked;
    });
  }

  /** Unreadable messages whose copy is not confirmed yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The broker reads nothing of what is published here, since it has an alarm. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  get remarks(): readonly string[] {
    return this.#broker.remarks;
  }

  stop(): Promise<void> {
    return this.#broker.stop();
  }

  /** Resolves with true when the broker has the copy; with false once the message is not wanted any more. Never gives up. */
  async bury(
    message: ConsumeMessage,
    { reason, message: detail }: UnreadableMessage,
    queue: string,
    isWanted: () => boolean,
  ): Promise<boolean> {
    this.#waiting++;
    try {
      for (let failures = 1; isWanted(); failures++) {
        try {
          await this.#publishInTurn(message, reason, detail, isWanted);
          if (!isWanted()) return false;
          this.#tellBuried(reason, detail, queue);
          return true;
        } catch (error) {
          if (isWanted()) this.#tellWaiting(error, queue);
        }
        await sleep(delayMs(retryPolicy, failures, Math.random()));
      }
      return false;
    } finally {
      this.#waiting--;
      if (this.#waiting === 0)
        this.#troubles.over(waitsReason, 'No unreadable message waits for the dead-letter queue any more.');
    }
  }

  #publishInTurn(message: ConsumeMessage, reason: string, detail: string, isWanted: () => boolean): Promise<void> {
    const published = this.#queue.then(async () => {
      if (isWanted()) await this.#publish(message, lettersOf(message, reason, detail));
    });
    this.#queue = published.catch(() => {
      // Its own caller hears of it; the next letter is independent of it.
    });
    return published;
  }

  /** Resolves when the broker has it; rejects when that is not known: a repetition may then be a second copy. */
  async #publish(message: ConsumeMessage, letters: readonly Letter[]): Promise<void> {
    let unfit: UnfitLetter | undefined;
    for (const { routingKey, headers, parts } of letters) {
      try {
        for (const [index, part] of parts.entries()) {
          const numbered = parts.length === 1 ? {} : { [partHeader]: `${index + 1}/${parts.length}` };
          await this.#send(message, routingKey, { ...headers, ...numbered }, part);
        }
        return;
      } catch (error) {
        if (!(error instanceof UnfitLetter)) throw error;
        unfit = error;
      }
    }
    throw unfit ?? new Error('There is no way to publish a dead letter.');
  }

  async #send(
    message: ConsumeMessage,
    routingKey: string,
    headers: Readonly<Record<string, unknown>>,
    content: Buffer,
  ): Promise<void> {
    this.#channel ??= await this.#open();
    const channel = this.#channel;
    await new Promise<void>((resolve, reject) => {
      let said: unknown;
      const failed = (error: unknown): void => {
        said = error;
      };
      const returned = (): void => settle(new Error(`No queue is bound to ${this.#exchange}. Run tallyman topology.`));
      const closed = (): void => settle(this.#whyClosed(message, said));
      const settle = (error: unknown): void => {
        channel.off('error', failed).off('return', returned).off('close', closed);
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error('The broker refused the dead letter.'));
      };
      channel.on('error', failed).on('return', returned);
      // Before amqplib's own listener, which would only say that it is closed.
      channel.prependListener('close', closed);
      try {
        channel.publish(this.#exchange, routingKey, content, { persistent: true, mandatory: true, headers }, settle);
      } catch (error) {
        // Either the channel is closed, and was before anybody listened, or there is something in it that amqplib cannot encode.
        if (error instanceof IllegalOperationError && this.#channel === channel) this.#channel = undefined;
        settle(error instanceof IllegalOperationError ? error : new UnfitLetter(messageOf(error)));
      }
    });
    this.#interruptions.delete(message);
  }

  /** Whether the letter itself may be why its channel is closed. */
  #whyClosed(message: ConsumeMessage, said: unknown): Error {
    const code = brokerCode(said);
    const text = messageOf(said);
    if (code === 404) return new Error(`The broker has no exchange ${this.#exchange}. Run tallyman topology.`);
    // `message size 9 is larger than configured max size 8`. LavinMQ says 406 as well when its disk is full.
    if (code === 406 && /\bsize\b/i.test(text)) return new UnfitLetter(text);
    if (code !== undefined) return new Error(text);
    const interruptions = (this.#interruptions.get(message) ?? 0) + 1;
    const isCause = interruptions >= interruptionsMax;
    this.#interruptions.set(message, isCause ? 0 : interruptions);
    const what = 'The connection ended before the dead letter was confirmed.';
    return isCause ? new UnfitLetter(what) : new Error(what);
  }

  async #open(): Promise<ConfirmChannel> {
    this.#broker.start();
    const late = new AbortController();
    const session = await Promise.race([
      this.#session.promise,
      sleep(connectPatienceMs, undefined, { signal: late.signal }),
    ]);
    late.abort();
    if (session === undefined) throw new Error('There is no connection to the broker.');
    const channel = await session.createConfirmChannel();
    channel.on('close', () => {
      if (this.#channel === channel) this.#channel = undefined;
    });
    return channel;
  }

  #tellWaiting(error: unknown, queue: string): void {
    this.#troubles.tell({
      reason: waitsReason,
      message:
        'An unreadable message cannot be moved to the dead-letter queue: it stays in its queue, and what comes after it there is billed but not acked. No usage is lost. Trying again.',
      fields: { error: messageOf(error), queue },
      remark: `Unreadable messages cannot be moved to the dead-letter queue: ${messageOf(error)}`,
    });
  }

  #tellBuried(reason: string, detail: string, queue: string): void {
    this.#troubles.note({
      reason: `unreadable ${reason}`,
      level: 'error',
      message:
        'A message cannot be read, so its usage is not billed: it was moved to the dead-letter queue. Correct its publisher.',
      fields: { reason, detail, queue, deadLetterQueue: this.#exchange },
    });
  }
}

/** With a connection of their own to this broker. */
export function openDeadLetters(
  toBroker: Pick<BrokerConnectionOptions, 'readUrl' | 'ca'>,
  { log, ...options }: Omit<DeadLettersOptions, 'broker'> & { readonly log: Logger },
): DeadLetters {
  const broker = new BrokerConnection({
    ...toBroker,
    name: 'tallyman consumer, dead letters',
    log: log.child({ connection: 'dead letters' }),
    means: 'Messages that cannot be read stay in their queues; none is lost.',
    // What is not confirmed on it is delivered again.
    closeTimeoutMs: 500,
  });
  return new DeadLetters({ ...options, broker });
}
