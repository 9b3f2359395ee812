import type { ModelBroker, Verdict } from '../models/model-broker.ts';
import { BrokerChannel, type StoredMessage } from '../stores/model-queue.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import type { Action } from '../time/timeline.ts';
import { Wire } from '../time/wire.ts';
import type { World } from '../models/world.ts';

export interface ChannelHandlers {
  opened(): void;
  delivered(tag: number, message: StoredMessage): void;
  /** Closed by the broker, by its connection, or because the broker cancelled the consumer. */
  lost(isCancelled: boolean): void;
}

/** One AMQP connection of a process. Either end may notice its loss long before the other (a half-open connection). */
export class BrokerLink {
  readonly process: Process;
  readonly #world: World;
  readonly #broker: ModelBroker;
  readonly #up: Wire;
  readonly #down: Wire;
  readonly #lost: Action;
  /** As the client knows them. */
  readonly #channels = new Set<ClientChannel>();
  /** As the broker knows them, who may learn of an end much later. */
  readonly #atBroker = new Set<BrokerChannel>();
  #isOpenAtClient = true;
  #isOpenAtBroker = true;

  constructor(world: World, broker: ModelBroker, process: Process, random: Random, lost: Action) {
    this.process = process;
    this.#world = world;
    this.#broker = broker;
    this.#lost = lost;
    const latency = (): number => random.between(0.2, world.profile.brokerLatencyMs);
    this.#up = new Wire(world.timeline, latency);
    this.#down = new Wire(world.timeline, latency, world.profile.deliveryGapMs);
    broker.links.add(this);
  }

  get channels(): readonly ClientChannel[] {
    return [...this.#channels];
  }

  publish(origin: MessageOrigin, body: Buffer, told: (verdict: Verdict) => void): void {
    this.send(() => this.#broker.publish(origin, body, (verdict) => this.answer(() => told(verdict))));
  }

  /** Publishes a copy to the dead-letter exchange. */
  bury(message: StoredMessage, confirmed: Action): void {
    this.send(() => {
      this.#broker.storeDeadLetter(message);
      this.answer(confirmed);
    });
  }

  openChannel(shard: number, handlers: ChannelHandlers): ClientChannel {
    const channel = new ClientChannel(this, handlers);
    this.#channels.add(channel);
    this.send(() => {
      const deliver = (tag: number, message: StoredMessage): void => this.answer(() => channel.deliver(tag, message));
      channel.atBroker = new BrokerChannel(this.#broker.queue(shard), deliver);
      this.#atBroker.add(channel.atBroker);
      this.answer(() => channel.opened());
    });
    return channel;
  }

  /** Client to broker. */
  send(arrived: Action): void {
    this.process.emit(() =>
      this.#up.send(() => {
        if (this.#isOpenAtBroker) arrived();
      }),
    );
  }

  /** Broker to client. */
  answer(arrived: Action): void {
    this.#down.send(() =>
      this.process.receive(() => {
        if (this.#isOpenAtClient) arrived();
      }),
    );
  }

  stall(durationMs: number): void {
    this.#up.stall(durationMs);
    this.#down.stall(durationMs);
  }

  /** The network between them fails; each end notices when it does. */
  cut(brokerNoticesMs: number, clientNoticesMs: number): void {
    this.#up.cut();
    this.#down.cut();
    this.#world.timeline.after(brokerNoticesMs, () => this.#endAtBroker());
    this.#world.timeline.after(clientNoticesMs, () => this.process.receive(() => this.#endAtClient()));
  }

  /** The broker gives the connection up: a missed heartbeat, or it was stopped itself. */
  breakAtBroker(clientNoticesMs: number): void {
    this.#up.cut();
    this.#endAtBroker();
    this.#world.timeline.after(clientNoticesMs, () => this.process.receive(() => this.#endAtClient()));
  }

  /** The process ends: what it has sent arrives, then the broker sees the end of the connection. */
  close(): void {
    this.#isOpenAtClient = false;
    this.#up.send(() => this.#endAtBroker());
  }

  forget(channel: ClientChannel): void {
    this.#channels.delete(channel);
  }

  #endAtBroker(): void {
    if (!this.#isOpenAtBroker) return;
    this.#isOpenAtBroker = false;
    this.#broker.links.delete(this);
    for (const channel of this.#atBroker) channel.close();
  }

  #endAtClient(): void {
    if (!this.#isOpenAtClient) return;
    this.#isOpenAtClient = false;
    this.#lost();
    for (const channel of this.#channels) channel.lost(false);
  }
}

/** A consuming channel as its process knows it. */
export class ClientChannel {
  atBroker: BrokerChannel | undefined;
  readonly #link: BrokerLink;
  readonly #handlers: ChannelHandlers;
  #isOver = false;
  #closed: Action | undefined;

  constructor(link: BrokerLink, handlers: ChannelHandlers) {
    this.#link = link;
    this.#handlers = handlers;
  }

  opened(): void {
    if (!this.#isOver) this.#handlers.opened();
  }

  deliver(tag: number, message: StoredMessage): void {
    // Also when it is over for the client: what was under way still arrives, and the core has to drop it by its generation.
    this.#handlers.delivered(tag, message);
  }

  consume(prefetch: number): void {
    this.#link.send(() => this.atBroker?.consume(prefetch));
  }

  cancel(): void {
    this.#link.send(() => this.atBroker?.cancel());
  }

  ack(tag: number): void {
    this.#link.send(() => this.atBroker?.ack(tag));
  }

  /** `closed` is called when the broker has everything, or the connection is gone. */
  close(closed: Action): void {
    this.#isOver = true;
    this.#closed = closed;
    this.#link.send(() => {
      this.atBroker?.close();
      this.#link.answer(() => this.#tellClosed());
    });
  }

  lost(isCancelled: boolean): void {
    this.#tellClosed();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.lost(isCancelled);
  }

  /** The broker closes it, or cancels its consumer, after which the client closes it. */
  breakAtBroker(byCancelling: boolean): void {
    if (this.atBroker === undefined) return;
    if (byCancelling) {
      this.atBroker.cancel();
      this.#link.answer(() => {
        this.#link.send(() => this.atBroker?.close());
        this.lost(true);
      });
    } else {
      this.atBroker.close();
      this.#link.answer(() => this.lost(false));
    }
  }

  #tellClosed(): void {
    this.#link.forget(this);
    const closed = this.#closed;
    this.#closed = undefined;
    closed?.();
  }
}
