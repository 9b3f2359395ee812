import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { BrokerConnection } from '../../../shared/amqp/connection.ts';
import { type Readiness, type RunningHttp, startHttp } from '../../../shared/http/server.ts';
import type { ExitCode, Lifecycle, Service } from '../../../shared/lifecycle/lifecycle.ts';
import { stopInTurn } from '../../../shared/lifecycle/stop-in-turn.ts';
import type { Logger } from '../../../shared/log/log.ts';
import { createRegistry, type Registry } from '../../../shared/metrics/metrics.ts';
import { usageExchange } from '../../../shared/topology/names.ts';
import type { PublisherConfig } from './config.ts';
import type { AllowedMeters } from './intake/admission.ts';
import { createIntake } from './intake/handler.ts';
import { createMetrics } from './metrics.ts';
import { OutboxCore } from './outbox/core.ts';
import { defaultLimits } from './outbox/limits.ts';
import { Outbox } from './outbox/outbox.ts';
import { spoolLimits } from './spool/limits.ts';
import { createSpoolMetrics } from './spool/metrics.ts';
import { Spool } from './spool/spool.ts';

/** What remains of the time to stop once the answers are out: to close channel and connection. */
const closeTimeoutMs = 2_000;
/** How long the start waits for the spool: the looking through a large one goes on while the listener is there. */
const spoolOpenTimeoutMs = 5_000;
/** EX_TEMPFAIL of sysexits.h: usage is left in the spool, and a sidecar has to be started on it. */
const spoolLeftExitCode = 75;

/**
 * The sidecar: HTTP intake → outbox → broker, and the spool while the broker is away.
 *
 * Draining: /readyz answers 503, no connection is taken any more, what was accepted is confirmed or spooled and answered, the
 * spool is emptied, then channel and connection are closed. What is not durable within the drain time was not answered
 * with 202; what is left in the spool then is said, and makes the exit code 75.
 */
export class PublisherService implements Service {
  readonly #config: PublisherConfig;
  readonly #log: Logger;
  readonly #lifecycle: Lifecycle;
  #connection: BrokerConnection | undefined;
  #outbox: Outbox | undefined;
  #spool: Spool | undefined;
  #http: RunningHttp | undefined;

  constructor(config: PublisherConfig, context: { readonly log: Logger; readonly lifecycle: Lifecycle }) {
    this.#config = config;
    this.#log = context.log;
    this.#lifecycle = context.lifecycle;
  }

  /** Does not wait for the broker: until there is one, events go to the spool, or are answered with 503. */
  async start(): Promise<void> {
    const {
      amqpUrl,
      ca,
      namespace,
      http,
      bodyBytesMax,
      requestEventsMax,
      payloadKeys,
      cloudEventsValue,
      source,
      region = '',
    } = this.#config;
    const meters = await this.#meters();
    const producer = randomBytes(16).toString('hex');
    this.#log.info({ producer, source, region }, 'This life of the sidecar has its own producer id.');

    const core = new OutboxCore({ producer, source, region }, defaultLimits);
    const registry = createRegistry('publisher');
    const metrics = createMetrics(registry, () => ({
      unconfirmedMessages: core.unconfirmedMessages,
      heldBytes: core.heldBytes,
      connected: core.isConnected,
    }));
    const connection = new BrokerConnection({
      readUrl: () => amqpUrl.reveal(),
      ca,
      name: `tallyman publisher ${source}`,
      log: this.#log,
      means:
        this.#config.spoolBytes === 0
          ? 'There is no spool: new usage is answered with 503 and stays with its clients.'
          : 'New usage is kept on disk, in the spool; without room there it is answered with 503.',
      closeTimeoutMs,
    });
    const spool = this.#makeSpool(registry);
    const exchange = usageExchange(namespace);
    const withSpool = spool === undefined ? {} : { spool };
    const outbox = new Outbox({ core, connection, exchange, log: this.#log, metrics, ...withSpool });
    this.#connection = connection;
    this.#outbox = outbox;
    this.#spool = spool;
    await spool?.startWithin(spoolOpenTimeoutMs);

    const readingBytesMax = Math.max(defaultLimits.heldBytesMax, bodyBytesMax);
    const limits = { bodyBytesMax, readingBytesMax, requestEventsMax };
    const intake = createIntake({ outbox, metrics, meters, payloadKeys, cloudEventsValue, ...limits });
    this.#http = await startHttp({
      config: http,
      log: this.#log,
      registry,
      ...intake,
      readiness: () => this.#readiness(),
    });
    // Last: where nothing can listen, there is nothing to connect for.
    connection.start();
  }

  async stop(): Promise<ExitCode> {
    const deadlineMs = performance.now() + this.#config.drainMs;
    let left = false;
    await stopInTurn(this.#log, [
      // Answers in progress wait for the broker's confirms, so the connection is still needed.
      { listener: () => this.#http?.stop(this.#config.drainMs) },
      // Without a listener the start has not come as far as the broker.
      { messagesOfSpool: () => (this.#http === undefined ? undefined : this.#outbox?.emptySpool(deadlineMs)) },
      {
        outbox: () => {
          left = this.#spoolLeft();
          this.#outbox?.stop();
        },
      },
      { spool: () => this.#spool?.stop(), connection: () => this.#connection?.stop() },
    ]);
    return left ? spoolLeftExitCode : 0;
  }

  /** The reader of files is loaded only where there is one: it takes 15 MB. Throws a `ConfigError`. */
  async #meters(): Promise<AllowedMeters> {
    const { meters, metersFile } = this.#config;
    if (metersFile === undefined) return meters;
    const { MetersFile } = await import('./intake/meters-file.ts');
    const file = new MetersFile(metersFile, this.#log);
    return () => file.names();
  }

  #makeSpool(registry: Registry): Spool | undefined {
    const { spoolBytes, spoolDir } = this.#config;
    const metrics = createSpoolMetrics(registry, () => ({
      state: spool?.state ?? 'off',
      bytes: spool?.bytes ?? 0,
      records: spool?.records ?? 0,
      oldestAcceptedMs: spool?.oldestAcceptedMs,
    }));
    const options = { folder: resolve(spoolDir), limits: spoolLimits(spoolBytes), log: this.#log, metrics };
    const spool = spoolBytes === 0 ? undefined : new Spool(options);
    return spool;
  }

  /** Says what stays where. A spool that another process has is that one's to empty. */
  #spoolLeft(): boolean {
    const spool = this.#spool;
    if (spool === undefined || spool.state === 'locked' || spool.isEmpty) return false;
    const folder = resolve(this.#config.spoolDir);
    const { records, bytes } = spool;
    // Only its cursor was not saved yet.
    if (spool.isOpen && records === 0) return false;
    if (spool.state === 'unavailable') {
      this.#log.error(
        { folder },
        'The folder of the spool could not be used; messages in it, if any, are still there.',
      );
    } else {
      this.#log.error(
        { folder, records, bytes },
        'Messages are left in the spool, which were answered with 202 and are not billed yet. Start a sidecar on this folder, or run `tallyman spool drain` with it.',
      );
    }
    return true;
  }

  #readiness(): Readiness {
    const reasons: string[] = [];
    const { state } = this.#lifecycle;
    if (state !== 'running') reasons.push(`The sidecar is ${state}.`);
    const turnsAway = this.#outbox?.turnsAway;
    if (turnsAway !== undefined && turnsAway !== 'overloaded')
      reasons.push(`There is no connection to the broker that takes messages (${turnsAway}).`);
    const remarks = [this.#connection, this.#outbox, this.#spool].flatMap((part) => part?.remarks ?? []);
    return { ready: reasons.length === 0, state, reasons, remarks };
  }
}
