import { BrokerConnection } from '../../../../shared/amqp/connection.ts';
import type { Secret } from '../../../../shared/config/secret.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Registry } from '../../../../shared/metrics/metrics.ts';
import { createMetrics } from '../metrics.ts';
import { OutboxCore } from '../outbox/core.ts';
import { defaultLimits } from '../outbox/limits.ts';
import { Outbox } from '../outbox/outbox.ts';
import { spoolLimits } from './limits.ts';
import { createSpoolMetrics, type SpoolState } from './metrics.ts';
import { Spool } from './spool.ts';

export interface DrainOptions {
  readonly folder: string;
  readonly readUrl: () => string;
  readonly ca: Secret | undefined;
  readonly exchange: string;
  readonly registry: Registry;
  readonly log: Logger;
}

/** A sidecar without intake: publishes what is in a spool, as the sidecar would, until it is empty. */
export class SpoolDrain {
  readonly #spool: Spool;
  readonly #outbox: Outbox;
  readonly #connection: BrokerConnection;

  constructor({ folder, readUrl, ca, exchange, registry, log }: DrainOptions) {
    const core = new OutboxCore({ producer: 'drain', source: '', region: '' }, defaultLimits);
    const metrics = createMetrics(registry, () => ({
      unconfirmedMessages: 0,
      heldBytes: 0,
      connected: core.isConnected,
    }));
    const spool = new Spool({
      folder,
      // Nothing is written to it.
      limits: spoolLimits(0),
      log,
      metrics: createSpoolMetrics(registry, () => spool),
    });
    this.#spool = spool;
    this.#connection = new BrokerConnection({
      readUrl,
      ca,
      name: 'tallyman spool',
      log,
      means: 'Its messages stay in the spool; none is lost.',
    });
    this.#outbox = new Outbox({ core, connection: this.#connection, exchange, log, metrics, spool, hasIntake: false });
  }

  get state(): SpoolState {
    return this.#spool.state;
  }

  get records(): number {
    return this.#spool.records;
  }

  get isEmpty(): boolean {
    return this.#spool.isEmpty;
  }

  async start(): Promise<void> {
    await this.#spool.start();
    this.#connection.start();
  }

  async stop(): Promise<void> {
    this.#outbox.stop();
    await this.#spool.stop();
    await this.#connection.stop();
  }
}
