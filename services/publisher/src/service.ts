import { randomBytes } from 'node:crypto';
import { BrokerConnection } from '../../../shared/amqp/connection.ts';
import { type Readiness, type RunningHttp, startHttp } from '../../../shared/http/server.ts';
import type { Lifecycle, Service } from '../../../shared/lifecycle/lifecycle.ts';
import type { Logger } from '../../../shared/log/log.ts';
import { createRegistry } from '../../../shared/metrics/metrics.ts';
import { usageExchange } from '../../../shared/topology/names.ts';
import type { PublisherConfig } from './config.ts';
import { createIntake } from './intake/handler.ts';
import { createMetrics } from './metrics.ts';
import { OutboxCore } from './outbox/core.ts';
import { defaultLimits } from './outbox/limits.ts';
import { Outbox } from './outbox/outbox.ts';

/** What remains of the time to stop once the answers are out: to close channel and connection. */
const closeTimeoutMs = 2_000;

/**
 * The sidecar: HTTP intake → outbox → broker.
 *
 * Draining: /readyz answers 503, no connection is taken any more, what was accepted is confirmed and answered, then
 * channel and connection are closed. What is not confirmed within the drain time was not answered with 202.
 */
export class PublisherService implements Service {
  readonly #config: PublisherConfig;
  readonly #log: Logger;
  readonly #lifecycle: Lifecycle;
  #connection: BrokerConnection | undefined;
  #outbox: Outbox | undefined;
  #http: RunningHttp | undefined;

  constructor(config: PublisherConfig, context: { readonly log: Logger; readonly lifecycle: Lifecycle }) {
    this.#config = config;
    this.#log = context.log;
    this.#lifecycle = context.lifecycle;
  }

  /** Does not wait for the broker: until there is one, events are answered with 503. */
  async start(): Promise<void> {
    const { amqpUrl, namespace, http, bodyBytesMax, requestEventsMax } = this.#config;
    const { meters, payloadKeys, source, region = '' } = this.#config;
    const producer = randomBytes(16).toString('hex');
    this.#log.info({ producer, source, region }, 'This life of the sidecar has its own producer id.');

    const core = new OutboxCore({ producer, source, region }, defaultLimits);
    const registry = createRegistry('publisher');
    const metrics = createMetrics(registry, () => ({
      unconfirmedMessages: core.unconfirmedMessages,
      heldBytes: core.heldBytes,
      connected: core.turnsAway !== 'broker_unavailable',
    }));
    const connection = new BrokerConnection({
      readUrl: () => amqpUrl.reveal(),
      name: `tallyman publisher ${source}`,
      log: this.#log,
      closeTimeoutMs,
    });
    const outbox = new Outbox({ core, connection, exchange: usageExchange(namespace), log: this.#log, metrics });
    this.#connection = connection;
    this.#outbox = outbox;
    connection.start();

    const readingBytesMax = Math.max(defaultLimits.heldBytesMax, bodyBytesMax);
    const limits = { bodyBytesMax, readingBytesMax, requestEventsMax };
    const intake = createIntake({ outbox, metrics, meters, payloadKeys, ...limits });
    this.#http = await startHttp({
      config: http,
      log: this.#log,
      registry,
      ...intake,
      readiness: () => this.#readiness(),
    });
  }

  async stop(): Promise<void> {
    // Answers in progress wait for the broker's confirms, so the connection is still needed.
    await this.#http?.stop(this.#config.drainMs);
    this.#outbox?.stop();
    await this.#connection?.stop();
  }

  #readiness(): Readiness {
    const reasons: string[] = [];
    const { state } = this.#lifecycle;
    if (state !== 'running') reasons.push(`The sidecar is ${state}.`);
    if (this.#outbox?.turnsAway === 'broker_unavailable')
      reasons.push('There is no connection to the broker that takes messages.');
    return { ready: reasons.length === 0, state, reasons };
  }
}
