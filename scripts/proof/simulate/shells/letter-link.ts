import { BrokerClient } from './broker-client.ts';
import type { ModelBroker } from '../models/model-broker.ts';
import type { StoredMessage } from '../stores/model-queue.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import type { Action } from '../time/timeline.ts';
import type { World } from '../models/world.ts';

/**
 * The connection that a consumer publishes its dead letters on, opened with the first of them, as `dead-letters.ts` does. It lives and
 * dies apart from the one that consumes: a letter may be confirmed that is nobody's any more, and be lost though the delivery stays.
 */
export class LetterLink {
  readonly #open: () => BrokerClient;
  readonly #unconfirmed = new Set<Action>();
  #client: BrokerClient | undefined;
  #isEnded = false;

  constructor(world: World, broker: ModelBroker, process: Process, random: Random) {
    const lost = (): void => {
      const failed = [...this.#unconfirmed];
      this.#unconfirmed.clear();
      for (const fail of failed) fail();
    };
    this.#open = () => new BrokerClient(world, broker, process, random.fork(), { connected: () => undefined, lost });
  }

  /** One of the two is called, unless the process ends before. */
  bury(message: StoredMessage, confirmed: Action, failed: Action): void {
    if (!this.#isEnded) this.#client ??= this.#open();
    const link = this.#client?.link;
    if (link === undefined) {
      failed();
      return;
    }
    const fail = (): void => failed();
    this.#unconfirmed.add(fail);
    link.bury(message, () => {
      if (this.#unconfirmed.delete(fail)) confirmed();
    });
  }

  end(): void {
    this.#isEnded = true;
    this.#client?.end();
  }
}
