import { randomBytes } from 'node:crypto';
import type { Owed } from '../../load/books.ts';
import { Histogram } from '../../load/histogram.ts';
import { Connection, type Delivered } from './connection.ts';
import { RequestTemplate } from './request.ts';
import { owedFor, usageOf } from './usage.ts';

export interface LoadShape {
  /** Addresses of sidecars. */
  readonly targets: readonly string[];
  readonly customers: number;
  /** Events per request. */
  readonly batch: number;
  /** In all, spread over the sidecars; one request each at a time. */
  readonly connections: number;
}

export interface Sending {
  readonly events: number;
  /** The pace at which requests are due; without one, each connection sends as soon as it has its answer. */
  readonly eventsPerS?: number;
}

const templatesMin = 8;
/** Every so-and-so-manieth request is sent twice under the same ids, as by clients that missed the answer. */
const repeatEvery = 100;
const paceTickMs = 2;

/**
 * A load that costs little: requests are built once (request.ts) and the books are one counter per request, so that two
 * cores are there for what is measured. It runs in the bench's own process. `send` may follow `send`; the books go on.
 */
export class BenchLoad {
  readonly #shape: LoadShape;
  readonly #connections: Connection[] = [];
  readonly #idle: Connection[] = [];
  #latency = new Histogram();
  /** Numbers the requests; makes their ids. */
  #numbered = 0;
  /** Requests that are not due yet, due but not sent, and sent but not answered. */
  #waiting = 0;
  #due = 0;
  #unanswered = 0;
  #durable = 0;
  #repeated = 0;
  #sending: PromiseWithResolvers<void> | undefined;

  private constructor(shape: LoadShape) {
    this.#shape = shape;
  }

  static async open(shape: LoadShape): Promise<BenchLoad> {
    const load = new BenchLoad(shape);
    await load.#open();
    return load;
  }

  /** Events that were answered 202, each counted once. */
  get durable(): number {
    return this.#durable;
  }

  /** Events that were sent a second time, and answered 202 again. */
  get repeated(): number {
    return this.#repeated;
  }

  owed(): Owed[] {
    return owedFor(this.#connections.flatMap(({ templates }) => templates));
  }

  /** Sends whole requests until there are that many events; resolves with the latencies once all are answered 202. */
  async send({ events, eventsPerS }: Sending): Promise<Histogram> {
    this.#latency = new Histogram();
    this.#sending = Promise.withResolvers();
    const requests = Math.ceil(events / this.#shape.batch);
    this.#waiting = requests;
    const startedMs = performance.now();
    const release = (): void => {
      const passedS = (performance.now() - startedMs) / 1_000;
      const due = eventsPerS === undefined ? requests : Math.floor((passedS * eventsPerS) / this.#shape.batch);
      const released = Math.min(this.#waiting, due - (requests - this.#waiting));
      this.#waiting -= released;
      this.#due += released;
      this.#pump();
    };
    const pace = eventsPerS === undefined ? undefined : setInterval(release, paceTickMs);
    release();
    try {
      await this.#sending.promise;
    } finally {
      clearInterval(pace);
    }
    return this.#latency;
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  async #open(): Promise<void> {
    const { targets, connections, batch, customers } = this.#shape;
    const run = randomBytes(4).toString('hex');
    const templatesEach = Math.max(templatesMin, Math.ceil(customers / (connections * batch)));
    let number = 0;
    for (let index = 0; index < connections; index++) {
      const target = targets[index % targets.length];
      if (target === undefined) throw new Error('there is no sidecar to send to');
      const { host } = new URL(target);
      const templates = Array.from({ length: templatesEach }, () => {
        const events = Array.from({ length: batch }, () => usageOf(number++, customers));
        return new RequestTemplate(host, run, events);
      });
      const connection = await Connection.open(target, templates, {
        delivered: (from, delivered) => this.#delivered(from, delivered),
        failed: (error) => this.#sending?.reject(error),
      });
      this.#connections.push(connection);
      this.#idle.push(connection);
    }
  }

  #pump(): void {
    while (this.#due > 0) {
      const connection = this.#idle.shift();
      if (connection === undefined) return;
      this.#due--;
      this.#unanswered++;
      connection.send(++this.#numbered);
    }
  }

  #delivered(connection: Connection, { template, again, tookMs }: Delivered): void {
    const events = template.events.length;
    if (again) {
      this.#repeated += events;
    } else {
      template.acknowledged++;
      this.#durable += events;
      this.#latency.record(tookMs);
      if ((this.#durable / events) % repeatEvery === 0) {
        connection.repeat(template);
        return;
      }
    }
    this.#unanswered--;
    if (this.#due > 0) {
      this.#due--;
      this.#unanswered++;
      connection.send(++this.#numbered);
      return;
    }
    this.#idle.push(connection);
    if (this.#waiting === 0 && this.#unanswered === 0) this.#sending?.resolve();
  }
}
