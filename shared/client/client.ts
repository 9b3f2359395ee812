/**
 * The sidecar's client for Node applications, which import it through `index.ts`. Needs nothing but Node.
 *
 * `batch-core.ts` decides, purely, which event goes into which request and when it is sent again; `verdict.ts` reads what an
 * answer means for each event; `http-transport.ts` sends. This is the shell with the timer and the promises.
 *
 * States: open → closing → closed. Nothing is connected before the first usage is recorded.
 *
 * Guarantees: a promise of `record` resolves only once the sidecar has answered 202 for its event; every event has an id from
 * its recording on, so that what the client sends again is recognised; every event that was taken is told of exactly once,
 * through its promise or `onFailure`; what is held is bounded, and what does not fit is refused at once, never dropped.
 * It refuses usage once it is closing, save what was announced.
 */
import { BatchCore, type Batch, type Settlement } from './batch-core.ts';
import { httpTransport, type Transport } from './http-transport.ts';
import { Silence } from './silence.ts';
import { encodeUsage } from './encode-usage.ts';
import type { Usage } from './usage.ts';
import type { Announced, ClientCounts, ClientOptions, Receipt, UsageClient } from './usage-client.ts';
import { errorOf, type UsageError, UsageRejected, UsageUndelivered } from './usage-error.ts';
import { verdictOf } from './verdict.ts';

const answerTimeoutMs = 45_000;
const closeWithinMs = 10_000;
const readyWithinMs = 10_000;
const readyIntervalMs = 250;
/** A longer timer than Node's longest would fire at once. */
const timerMaxMs = 60_000;

/** Opens no connection before the first usage is recorded. Throws a `TypeError` when the options contradict each other. */
export function createClient(options: ClientOptions = {}): UsageClient {
  const { url, socket, token, requestsMax = 4 } = options;
  if (url !== undefined && socket !== undefined) throw new TypeError('url and socket are both set; one of them may be');
  const tokenOf = typeof token === 'string' ? () => token : token;
  const transport = httpTransport({ url, socket, token: tokenOf, requestsMax, answerTimeoutMs });
  return new Client(transport, options);
}

/** For tests: on another transport. */
export function createClientOn(transport: Transport, options: ClientOptions = {}): UsageClient {
  return new Client(transport, options);
}

interface Ticket {
  readonly id: string;
  settle(error: UsageError | undefined): void;
}

class Client implements UsageClient {
  readonly #transport: Transport;
  readonly #core: BatchCore<Ticket>;
  readonly #drainedBytes: number;
  readonly #onFailure: (error: UsageError, usage: Usage) => void;
  readonly #silence: Silence;
  readonly #counts = { durable: 0, rejected: 0, undelivered: 0, turnedAway: 0, requests: 0, retries: 0 };
  #closing: Promise<void> | undefined;
  #isClosed = false;
  #announced = 0;
  #wake: { readonly timer: NodeJS.Timeout; readonly atMs: number } | undefined;
  #waiters: { readonly heldBytesMax: number; readonly resolve: () => void }[] = [];

  constructor(transport: Transport, options: ClientOptions) {
    const { batchEventsMax = 500, lingerMs = 5, requestsMax = 4, bufferBytesMax = 16 * 1_024 * 1_024 } = options;
    const { giveUpAfterMs = 600_000, onFailure = warnOnce() } = options;
    this.#transport = transport;
    this.#silence = new Silence(options.socket ?? options.url ?? 'http://127.0.0.1:7070', () => this.#core.heldEvents);
    this.#drainedBytes = bufferBytesMax / 2;
    this.#onFailure = onFailure;
    this.#core = new BatchCore({
      batchEventsMax,
      batchBytesMax: 512 * 1_024,
      lingerMs,
      requestsMax,
      bufferBytesMax,
      giveUpAfterMs,
      retry: { baseMs: 50, maxMs: 5_000 },
    });
  }

  record(usage: Usage): Promise<Receipt> {
    return this.#record(usage, this.#closing === undefined);
  }

  announce(): Announced {
    let isOpen = true;
    this.#announced++;
    const end = (): boolean => {
      if (!isOpen) return false;
      isOpen = false;
      this.#announced--;
      return true;
    };
    return {
      record: (usage) => {
        if (!end()) return Promise.reject(new Error('What was announced is recorded or dropped once.'));
        const recorded = this.#record(usage, !this.#isClosed);
        if (this.#closing !== undefined) this.#flush();
        return recorded;
      },
      drop: () => {
        if (end()) this.#wakeWaiters();
      },
    };
  }

  async ready(withinMs = readyWithinMs): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      const reply = await this.#transport.probe();
      if (reply.kind === 'answer' && reply.status === 200) return;
      if (performance.now() + readyIntervalMs > deadlineMs) {
        const said =
          reply.kind === 'answer' ? `It answered ${reply.status}: ${reply.body.slice(0, 500)}` : reply.detail;
        throw new Error(`The sidecar at ${this.#silence.where} was not ready within ${withinMs} ms. ${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, readyIntervalMs));
    }
  }

  #record(usage: Usage, isOpen: boolean): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const turnedAway = this.#take(usage, isOpen, (id, error) => {
        if (error === undefined) resolve({ id });
        else reject(error);
      });
      if (turnedAway !== undefined) reject(turnedAway);
    });
  }

  tryRecord(usage: Usage): boolean {
    const tell = (error: UsageError): void => this.#tell(error, usage);
    const turnedAway = this.#take(usage, this.#closing === undefined, (_, error) => {
      if (error !== undefined) tell(error);
    });
    // No room is what `false` says. Of the caller's own mistake nobody would hear otherwise.
    if (turnedAway instanceof UsageRejected) tell(turnedAway);
    return turnedAway === undefined;
  }

  drained(): Promise<void> {
    return this.#untilHeld(this.#drainedBytes);
  }

  close(withinMs = closeWithinMs): Promise<void> {
    this.#closing ??= this.#close(withinMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  counts(): ClientCounts {
    return { held: this.#core.heldEvents, ...this.#counts };
  }

  /** Answers why nothing was taken; otherwise `settle` is called later, once. */
  #take(
    usage: Usage,
    isOpen: boolean,
    settle: (id: string, error: UsageError | undefined) => void,
  ): UsageError | undefined {
    const error = isOpen ? this.#add(usage, settle) : new UsageUndelivered('closed', undefined, usage?.id ?? '', false);
    if (error === undefined) this.#schedule();
    else this.#counts.turnedAway++;
    return error;
  }

  #add(usage: Usage, settle: (id: string, error: UsageError | undefined) => void): UsageError | undefined {
    const knownId = usage?.id ?? '';
    try {
      const { id, text } = encodeUsage(usage, Date.now());
      const ticket: Ticket = { id, settle: (error) => settle(id, error) };
      if (this.#core.add(ticket, text, performance.now())) return undefined;
      return new UsageUndelivered('buffer_full', undefined, knownId, false);
    } catch (error) {
      if (error instanceof UsageRejected) return error;
      const why = error instanceof Error ? error.message : String(error);
      return new UsageRejected('not_json', `The usage cannot be written as JSON: ${why}.`, knownId, false);
    }
  }

  #tell(error: UsageError, usage: Usage): void {
    try {
      this.#onFailure(error, usage);
    } catch (thrown) {
      // The callback is not ours, and the other events of the same answer still have to be told of.
      process.emitWarning(thrown instanceof Error ? thrown : String(thrown));
    }
  }

  async #close(withinMs: number): Promise<void> {
    this.#flush();
    const deadline = setTimeout(() => {
      this.#isClosed = true;
      this.#settle(this.#core.abandon());
      this.#wakeWaiters();
    }, withinMs);
    // What was answered in this turn of the event loop is announced by the end of it.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#untilHeld(0);
    this.#isClosed = true;
    clearTimeout(deadline);
    this.#stopTimer();
    this.#silence.stop();
    this.#transport.close();
  }

  #flush(): void {
    this.#core.flush();
    this.#pump();
  }

  #pump(): void {
    const nowMs = performance.now();
    this.#settle(this.#core.expire(nowMs));
    for (let batch = this.#core.take(nowMs); batch !== undefined; batch = this.#core.take(nowMs))
      void this.#send(batch);
    this.#schedule();
  }

  async #send(batch: Batch<Ticket>): Promise<void> {
    this.#counts.requests++;
    if (batch.attempts > 0) this.#counts.retries++;
    this.#silence.sent();
    const reply = await this.#transport.post(`[${batch.entries.map(({ text }) => text).join(',')}]`);
    const verdict = verdictOf(reply, batch.entries.length);
    if (verdict.kind === 'retry') this.#silence.failed(verdict.detail);
    else this.#silence.answered();
    this.#settle(this.#core.settle(batch, verdict, performance.now(), Math.random()));
    this.#pump();
  }

  /** Sets the timer to when the core has something to do. */
  #schedule(): void {
    const { wakeAtMs } = this.#core;
    if (wakeAtMs === this.#wake?.atMs) return;
    this.#stopTimer();
    if (wakeAtMs === undefined) return;
    const run = (): void => {
      this.#wake = undefined;
      this.#pump();
    };
    // Rounded up: a timer that fires early finds nothing to do. The timer keeps the process alive until all is delivered.
    const delayMs = Math.min(Math.max(0, Math.ceil(wakeAtMs - performance.now())), timerMaxMs);
    const timer = setTimeout(run, delayMs);
    this.#wake = { timer, atMs: wakeAtMs };
  }

  #stopTimer(): void {
    if (this.#wake !== undefined) clearTimeout(this.#wake.timer);
    this.#wake = undefined;
  }

  #settle(settlements: readonly Settlement<Ticket>[]): void {
    if (settlements.length === 0) return;
    for (const { ticket, settled } of settlements) {
      this.#counts[settled.kind]++;
      ticket.settle(errorOf(ticket.id, settled));
    }
    this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    this.#waiters = this.#waiters.filter(({ heldBytesMax, resolve }) => {
      if (!this.#isDown(heldBytesMax)) return true;
      resolve();
      return false;
    });
  }

  /** 0: also nothing that was announced is missing, unless there is no time left for it. */
  #isDown(heldBytesMax: number): boolean {
    const isAwaited = heldBytesMax === 0 && this.#announced > 0 && !this.#isClosed;
    return this.#core.heldBytes <= heldBytesMax && !isAwaited;
  }

  #untilHeld(heldBytesMax: number): Promise<void> {
    if (this.#isDown(heldBytesMax)) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ heldBytesMax, resolve }));
  }
}

/** One warning per code, so that a sidecar that is away does not flood the log of the application; `counts` has them all. */
function warnOnce(): (error: UsageError) => void {
  const warned = new Set<string>();
  return (error) => {
    if (warned.has(error.code)) return;
    warned.add(error.code);
    process.emitWarning(
      `Usage was not recorded (${error.code}, event ${error.id}): ${error.message}`,
      'TallymanWarning',
    );
  };
}
