import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';

/** A message as the broker has it. */
export interface StoredMessage {
  readonly shard: number;
  /** Its place in the queue, for ever: a message that comes back is put there again. */
  readonly position: number;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Undefined for a message that no reader can read. */
  readonly origin: MessageOrigin | undefined;
  /** On disk, and therefore confirmed. */
  isSynced: boolean;
}

interface Unacked {
  readonly tag: number;
  readonly message: StoredMessage;
}

/** A consuming channel, on the broker's side. */
export class BrokerChannel {
  readonly queue: ModelQueue;
  readonly #deliver: (tag: number, message: StoredMessage) => void;
  #unacked: Unacked[] = [];
  #lastTag = 0;
  #isOpen = true;
  #prefetch = 0;
  #isConsuming = false;

  constructor(queue: ModelQueue, deliver: (tag: number, message: StoredMessage) => void) {
    this.queue = queue;
    this.#deliver = deliver;
    queue.channels.push(this);
  }

  get takesMore(): boolean {
    return this.#isOpen && this.#isConsuming && this.#unacked.length < this.#prefetch;
  }

  get unacked(): number {
    return this.#unacked.length;
  }

  consume(prefetch: number): void {
    this.#isConsuming = true;
    this.#prefetch = Math.min(prefetch, this.queue.prefetchMax);
    this.queue.pump();
  }

  cancel(): void {
    this.#isConsuming = false;
  }

  give(message: StoredMessage): void {
    this.#lastTag++;
    this.#unacked.push({ tag: this.#lastTag, message });
    this.#deliver(this.#lastTag, message);
  }

  /** Cumulative: everything up to and including `tag`. */
  ack(tag: number): void {
    if (!this.#isOpen) return;
    let count = 0;
    while (count < this.#unacked.length && (this.#unacked[count]?.tag ?? Infinity) <= tag) count++;
    for (const { message } of this.#unacked.splice(0, count)) this.queue.acked(message);
    this.queue.pump();
  }

  /** What was not acked goes back to its place in the queue. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { queue } = this;
    queue.channels.splice(queue.channels.indexOf(this), 1);
    queue.takeBack(this.#unacked.map(({ message }) => message));
    this.#unacked = [];
    queue.pump();
  }
}

export interface QueueListener {
  acked(message: StoredMessage): void;
  nowMs(): number;
}

interface Acked {
  readonly message: StoredMessage;
  readonly atMs: number;
}

/** One shard's queue: in order of arrival, shared in turn by whoever consumes it. */
export class ModelQueue {
  readonly shard: number;
  readonly prefetchMax: number;
  readonly channels: BrokerChannel[] = [];
  readonly #listener: QueueListener;
  #ready: StoredMessage[] = [];
  #lastPosition = 0;
  #turn = 0;
  /** Acked lately: acks are not synced at once, so after a power loss these come back. */
  #ackedLately: Acked[] = [];

  constructor(shard: number, prefetchMax: number, listener: QueueListener) {
    this.shard = shard;
    this.prefetchMax = prefetchMax;
    this.#listener = listener;
  }

  get ready(): number {
    return this.#ready.length;
  }

  get unacked(): number {
    return this.channels.reduce((sum, { unacked }) => sum + unacked, 0);
  }

  store(message: Omit<StoredMessage, 'shard' | 'position' | 'isSynced'>): StoredMessage {
    this.#lastPosition++;
    const stored = { ...message, shard: this.shard, position: this.#lastPosition, isSynced: false };
    this.#ready.push(stored);
    return stored;
  }

  pump(): void {
    while (this.#ready.length > 0) {
      const channel = this.#nextChannel();
      if (channel === undefined) return;
      const message = this.#ready.shift();
      if (message !== undefined) channel.give(message);
    }
  }

  acked(message: StoredMessage): void {
    this.#ackedLately.push({ message, atMs: this.#listener.nowMs() });
    if (this.#ackedLately.length > 32) this.#ackedLately.shift();
    this.#listener.acked(message);
  }

  takeBack(messages: readonly StoredMessage[]): void {
    if (messages.length === 0) return;
    this.#ready = [...messages, ...this.#ready].sort((left, right) => left.position - right.position);
  }

  /**
   * The machine lost its power: `keeps` says of each message that was not synced whether the disk has it all the same.
   * So many of the acks since `ackedSinceMs` are forgotten; older ones have reached the disk.
   */
  losePower(
    keeps: (message: StoredMessage) => boolean,
    forgottenAcks: number,
    ackedSinceMs = Number.NEGATIVE_INFINITY,
  ): StoredMessage[] {
    const young = this.#ackedLately.filter(({ atMs }) => atMs >= ackedSinceMs);
    const resurrected = forgottenAcks === 0 ? [] : young.slice(-forgottenAcks).map(({ message }) => message);
    this.takeBack(resurrected);
    this.#ready = this.#ready.filter((message) => message.isSynced || keeps(message));
    this.#ackedLately = [];
    return resurrected;
  }

  #nextChannel(): BrokerChannel | undefined {
    for (let tried = 0; tried < this.channels.length; tried++) {
      this.#turn = (this.#turn + 1) % this.channels.length;
      const channel = this.channels[this.#turn];
      if (channel?.takesMore === true) return channel;
    }
    return undefined;
  }
}

export function nameOf({ shard, position, origin }: StoredMessage): string {
  const name = origin === undefined ? 'unreadable' : `${origin.producer}/${origin.slot}#${origin.sequence}`;
  return `${name}@${shard}:${position}`;
}
