import { BrokerLink } from './broker-link.ts';
import type { ModelBroker } from '../models/model-broker.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import type { World } from '../models/world.ts';

export interface ConnectionHandlers {
  connected(link: BrokerLink): void;
  lost(): void;
}

/** Keeps one connection of a process to the broker, as `shared/amqp/connection.ts` does. */
export class BrokerClient {
  readonly #world: World;
  readonly #broker: ModelBroker;
  readonly #process: Process;
  readonly #random: Random;
  readonly #handlers: ConnectionHandlers;
  #link: BrokerLink | undefined;
  #isEnded = false;

  constructor(world: World, broker: ModelBroker, process: Process, random: Random, handlers: ConnectionHandlers) {
    this.#world = world;
    this.#broker = broker;
    this.#process = process;
    this.#random = random;
    this.#handlers = handlers;
    this.#connect(this.#random.between(1, 20));
  }

  /** The connection that is up, as far as the process knows. */
  get link(): BrokerLink | undefined {
    return this.#link;
  }

  end(): void {
    this.#isEnded = true;
    this.#link?.close();
    this.#link = undefined;
  }

  #connect(delayMs: number): void {
    this.#process.after(delayMs, () => {
      if (this.#isEnded) return;
      if (!this.#broker.isUp) {
        this.#connect(this.#random.between(20, this.#world.profile.reconnectMs));
        return;
      }
      const link: BrokerLink = new BrokerLink(this.#world, this.#broker, this.#process, this.#random.fork(), () => {
        this.#link = undefined;
        this.#handlers.lost();
        this.#connect(this.#random.between(20, this.#world.profile.reconnectMs));
      });
      this.#link = link;
      this.#handlers.connected(link);
    });
  }
}
