/**
 * The sidecar's client for Node applications. Needs nothing but Node and the files beside it.
 *
 * States: open → closing → closed. Nothing is connected before the first usage is recorded.
 *
 * Guarantees: a promise of `record` resolves only once the sidecar has answered 202 for its event; every event has an id from
 * its recording on, so that what the client sends again is recognised; every event that was taken is told of exactly once,
 * through its promise or `onFailure`; what is held is bounded, and what does not fit is refused at once, never dropped.
 * It refuses usage once it is closing.
 */
import { BatchCore, type Batch, type Settled, type Settlement } from './batch-core.ts';
import { httpTransport, type Transport } from './http-transport.ts';
import { encodeUsage, type Usage } from './usage.ts';
import { type UsageError, UsageRejected, UsageUndelivered } from './usage-error.ts';
import { verdictOf } from './verdict.ts';

export type { Usage } from './usage.ts';
export { UsageError, UsageRejected, UsageUndelivered } from './usage-error.ts';

export interface ClientOptions {
  /** Where the sidecar is. Default: `http://127.0.0.1:7070`. */
  readonly url?: string;
  /** Its Unix socket (`TALLYMAN_SOCKET`), instead. */
  readonly socket?: string;
  /** Its `TALLYMAN_TOKEN`; a function is asked for every request. */
  readonly token?: string | (() => string);
  /** Events of one request. Default 500. */
  readonly batchEventsMax?: number;
  /** How long a request that is not full waits for more. Default 5. */
  readonly lingerMs?: number;
  /** Requests at a time. Default 4. */
  readonly requestsMax?: number;
  /** What may be held, each event charged 512 bytes more than its text. Default 16 MiB. */
  readonly bufferBytesMax?: number;
  /** How long an event is tried. Default 10 minutes; must stay well below the consumers' TALLYMAN_DEDUP_WINDOW_MS. */
  readonly giveUpAfterMs?: number;
  /** Hears of every failure of an event of `tryRecord`. Default: the first of each code becomes a process warning. */
  readonly onFailure?: (error: UsageError, usage: Usage) => void;
}

/** The event is durable. */
export interface Receipt {
  readonly id: string;
}

/** Events, since the client was made; requests in the last two. */
export interface ClientCounts {
  /** Held now: recorded and not settled. */
  readonly held: number;
  readonly durable: number;
  readonly rejected: number;
  /** Taken, and then not delivered. */
  readonly undelivered: number;
  /** Not taken: no room, closed, or not to be written as JSON. */
  readonly turnedAway: number;
  readonly requests: number;
  /** Requests that failed and were sent again. */
  readonly retries: number;
}

export interface UsageClient extends AsyncDisposable {
  /** Resolves once the event is durable (202). Rejects with a `UsageRejected` or a `UsageUndelivered`. */
  record(usage: Usage): Promise<Receipt>;
  /** False: nothing was taken. What happens to it later is told to `onFailure` only if it fails. Never throws. */
  tryRecord(usage: Usage): boolean;
  /** Resolves when at most half of the buffer is in use: at once, or after a sidecar that was slow or away. */
  drained(): Promise<void>;
  /** Takes nothing more, delivers what is held, and fails what is left after `withinMs` (default 10 s). Idempotent. */
  close(withinMs?: number): Promise<void>;
  counts(): ClientCounts;
}

const answerTimeoutMs = 45_000;
const closeWithinMs = 10_000;
/** A longer timer than Node's longest would fire at once. */
const timerMaxMs = 60_000;

/** Connects to nothing yet. Throws a TypeError when the options contradict each other. */
export function createClient(options: ClientOptions = {}): UsageClient {
  const { url, socket, token, requestsMax = 4 } = options;
  if (url !== undefined && socket !== undefined) throw new TypeError('url and socket are both set; one of them may be');
  const tokenOf = typeof token === 'string' ? () => token : token;
  return new Client(httpTransport({ url, socket, token: tokenOf, requestsMax, answerTimeoutMs }), options);
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
  readonly #counts = { durable: 0, rejected: 0, undelivered: 0, turnedAway: 0, requests: 0, retries: 0 };
  #closing: Promise<void> | undefined;
  #wake: { readonly timer: NodeJS.Timeout; readonly atMs: number } | undefined;
  #waiters: { readonly heldBytesMax: number; readonly resolve: () => void }[] = [];

  constructor(transport: Transport, options: ClientOptions) {
    const { batchEventsMax = 500, lingerMs = 5, requestsMax = 4, bufferBytesMax = 16 * 1_024 * 1_024 } = options;
    const { giveUpAfterMs = 600_000, onFailure = warnOnce() } = options;
    this.#transport = transport;
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
    return new Promise((resolve, reject) => {
      const turnedAway = this.#take(usage, (id, error) => {
        if (error === undefined) resolve({ id });
        else reject(error);
      });
      if (turnedAway !== undefined) reject(turnedAway);
    });
  }

  tryRecord(usage: Usage): boolean {
    const tell = (error: UsageError): void => this.#tell(error, usage);
    const turnedAway = this.#take(usage, (_, error) => {
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
  #take(usage: Usage, settle: (id: string, error: UsageError | undefined) => void): UsageError | undefined {
    const error = this.#add(usage, settle);
    if (error === undefined) this.#schedule();
    else this.#counts.turnedAway++;
    return error;
  }

  #add(usage: Usage, settle: (id: string, error: UsageError | undefined) => void): UsageError | undefined {
    const knownId = usage?.id ?? '';
    if (this.#closing !== undefined) return new UsageUndelivered('closed', undefined, knownId, false);
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
    this.#core.flush();
    this.#pump();
    const deadline = setTimeout(() => this.#settle(this.#core.abandon()), withinMs);
    await this.#untilHeld(0);
    clearTimeout(deadline);
    this.#stopTimer();
    this.#transport.close();
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
    const reply = await this.#transport.post(`[${batch.entries.map(({ text }) => text).join(',')}]`);
    const verdict = verdictOf(reply, batch.entries.length);
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
    this.#waiters = this.#waiters.filter(({ heldBytesMax, resolve }) => {
      if (this.#core.heldBytes > heldBytesMax) return true;
      resolve();
      return false;
    });
  }

  #untilHeld(heldBytesMax: number): Promise<void> {
    if (this.#core.heldBytes <= heldBytesMax) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ heldBytesMax, resolve }));
  }
}

function errorOf(id: string, settled: Settled): UsageError | undefined {
  switch (settled.kind) {
    case 'durable':
      return undefined;
    case 'rejected':
      return new UsageRejected(settled.fault.code, settled.fault.message, id, settled.mayBeCounted);
    case 'undelivered':
      return new UsageUndelivered(settled.code, settled.detail, id, settled.mayBeCounted);
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
