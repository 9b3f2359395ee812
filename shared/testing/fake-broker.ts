import { EventEmitter } from 'node:events';
import type { Channel, ConfirmChannel, ConsumeMessage } from 'amqplib';
import type { BrokerConnection, BrokerSession } from '../amqp/connection.ts';

/**
 * For tests of shells: a broker connection whose every answer is the test's. Nothing is confirmed, delivered or closed before
 * the test says so, in whatever order it wants; a real broker hardly ever shows the order that breaks something.
 */

interface Published {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly options: { readonly headers?: Readonly<Record<string, unknown>>; readonly [name: string]: unknown };
  /** Null: confirmed; an error: refused (nack). As amqplib says it. */
  readonly told: (error: Error | null) => void;
}

type Deliver = (message: ConsumeMessage | null) => void;

export class FakeChannel extends EventEmitter {
  readonly published: Published[] = [];
  /** Delivery tags up to which was acked. */
  readonly acks: number[] = [];
  readonly consumers = new Map<string, { readonly queue: string; readonly deliver: Deliver }>();
  /** Of every consumer, in their order. */
  readonly prefetches: number[] = [];
  readonly cancelled: string[] = [];
  isClosing = false;
  isClosed = false;
  /** Rejects `checkExchange` with it. */
  exchangeFault: Error | undefined;
  /** Rejects `consume` with it. */
  consumeFault: Error | undefined;
  /** What `publish` answers: false asks for a pause until `drain`. */
  isWritable = true;
  /** The broker answers a close at once. */
  closesAtOnce = true;
  readonly #closed = Promise.withResolvers<void>();
  readonly #unconfirmed = new Set<Published>();
  #tags = 0;

  constructor() {
    super();
    // As amqplib does, before any listener of ours that is not prepended.
    this.on('close', () => {
      const unconfirmed = [...this.#unconfirmed];
      for (const { told } of unconfirmed) told(new Error('channel closed'));
    });
  }

  publish(
    exchange: string,
    routingKey: string,
    body: Buffer,
    options: Published['options'],
    told: (error: Error | null) => void = () => undefined,
  ): boolean {
    const message: Published = {
      exchange,
      routingKey,
      body,
      options,
      told: (error) => {
        this.#unconfirmed.delete(message);
        told(error);
      },
    };
    this.#unconfirmed.add(message);
    this.published.push(message);
    return this.isWritable;
  }

  /** The broker has the message that was published as this one, counted from the last. */
  confirm(fromLast = 0): void {
    this.published.at(-1 - fromLast)?.told(null);
  }

  nack(fromLast = 0): void {
    this.published.at(-1 - fromLast)?.told(new Error('message nacked'));
  }

  /** No queue is bound for it. The broker confirms it all the same, after this. */
  return(fromLast = 0): void {
    const message = this.published.at(-1 - fromLast);
    this.emit('return', { properties: { headers: message?.options.headers ?? {} }, content: message?.body });
  }

  async checkExchange(): Promise<void> {
    if (this.exchangeFault !== undefined) throw this.exchangeFault;
  }

  /** Per consumer (AMQP 0-9-1, basic.qos, global = false): of a whole channel it would hold for old consumers too. */
  async prefetch(count: number, isGlobal: boolean): Promise<void> {
    if (isGlobal) throw new Error('The prefetch is per consumer here.');
    this.prefetches.push(count);
  }

  async consume(
    queue: string,
    deliver: Deliver,
    { noAck }: { readonly noAck?: boolean } = {},
  ): Promise<{ readonly consumerTag: string }> {
    if (this.consumeFault !== undefined) throw this.consumeFault;
    if (noAck !== false) throw new Error('The broker would drop what it delivers.');
    const consumerTag = `consumer-${this.prefetches.length}`;
    this.consumers.set(consumerTag, { queue, deliver });
    return { consumerTag };
  }

  async cancel(consumerTag: string): Promise<void> {
    this.cancelled.push(consumerTag);
    this.consumers.delete(consumerTag);
  }

  /** To the consumer that came last. Returns the delivery tag. */
  deliver(body: Buffer, headers: Readonly<Record<string, string | number>>): number {
    const deliveryTag = ++this.#tags;
    const consumer = [...this.consumers.values()].at(-1);
    if (consumer === undefined) throw new Error('Nobody consumes on this channel.');
    const fields = { deliveryTag, routingKey: String(headers['x-slot'] ?? ''), redelivered: false };
    consumer.deliver({ content: body, fields, properties: { headers } } as unknown as ConsumeMessage);
    return deliveryTag;
  }

  /** The queue was deleted, or its node is another one now. */
  cancelByBroker(): void {
    for (const { deliver } of this.consumers.values()) deliver(null);
    this.consumers.clear();
  }

  ack({ fields }: Pick<ConsumeMessage, 'fields'>, isMultiple: boolean): void {
    if (!isMultiple) throw new Error('Acks are cumulative here.');
    if (this.isClosed) throw new Error('An ack on a closed channel.');
    this.acks.push(fields.deliveryTag);
  }

  /** Asked for by our side; the broker answers with `closed`. */
  close(): Promise<void> {
    this.isClosing = true;
    if (this.closesAtOnce) this.closed();
    return this.#closed.promise;
  }

  /** The broker has closed it, or its connection is gone. */
  closed(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#closed.resolve();
    this.emit('close');
  }
}

export class FakeSession {
  readonly generation: number;
  readonly server = { product: 'LavinMQ', version: '2.0.0' };
  readonly channels: FakeChannel[] = [];
  readonly abandoned: string[] = [];
  /** Rejects every new channel with it. */
  channelFault: Error | undefined;
  /** What a channel is before its owner gets it. */
  prepare: (channel: FakeChannel) => void = () => undefined;

  constructor(generation: number) {
    this.generation = generation;
  }

  async createChannel(): Promise<Channel> {
    if (this.channelFault !== undefined) throw this.channelFault;
    const channel = new FakeChannel();
    this.prepare(channel);
    this.channels.push(channel);
    return channel as unknown as Channel;
  }

  async createConfirmChannel(): Promise<ConfirmChannel> {
    return (await this.createChannel()) as ConfirmChannel;
  }

  abandon(reason: string): void {
    this.abandoned.push(reason);
  }

  /** The one that was opened last. */
  get channel(): FakeChannel {
    const channel = this.channels.at(-1);
    if (channel === undefined) throw new Error('No channel was opened.');
    return channel;
  }
}

/** A connection that is there when the test says so. */
export class FakeBroker {
  readonly #connected: ((session: BrokerSession) => void)[] = [];
  readonly #lost: ((generation: number, error: Error) => void)[] = [];
  readonly #blocked: ((blocked: boolean) => void)[] = [];
  readonly #failed: (() => void)[] = [];
  #generation = 0;
  isStarted = false;
  isStopped = false;
  remarks: readonly string[] = [];

  onConnected(listener: (session: BrokerSession) => void): void {
    this.#connected.push(listener);
  }

  onLost(listener: (generation: number, error: Error) => void): void {
    this.#lost.push(listener);
  }

  onFailed(listener: () => void): void {
    this.#failed.push(listener);
  }

  onBlocked(listener: (blocked: boolean) => void): void {
    this.#blocked.push(listener);
  }

  /** `connect` comes when the test wants it. */
  start(): void {
    this.isStarted = true;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
  }

  connect(prepare?: (channel: FakeChannel) => void): FakeSession {
    const session = new FakeSession(++this.#generation);
    if (prepare !== undefined) session.prepare = prepare;
    for (const listener of this.#connected) listener(session);
    return session;
  }

  /** The connection ends, and its channels with it. */
  lose(session: FakeSession): void {
    for (const channel of session.channels) channel.closed();
    for (const listener of this.#lost) listener(session.generation, new Error('the connection is gone'));
  }

  /** An attempt to connect fails. */
  fail(): void {
    for (const listener of this.#failed) listener();
  }

  block(blocked: boolean): void {
    for (const listener of this.#blocked) listener(blocked);
  }

  /** As what shells take it for. */
  get connection(): BrokerConnection {
    return this as unknown as BrokerConnection;
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
