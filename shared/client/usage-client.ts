import type { Usage } from './usage.ts';
import type { UsageError } from './usage-error.ts';

export interface ClientOptions {
  /** The sidecar's address: scheme, host and port, without a path. Default: `http://127.0.0.1:7070`. */
  readonly url?: string;
  /** The path of the sidecar's Unix socket (`TALLYMAN_SOCKET`), instead of `url`. */
  readonly socket?: string;
  /** The sidecar's `TALLYMAN_TOKEN`. A function is called for every request. */
  readonly token?: string | (() => string);
  /** The most events in one request. Default: 500. */
  readonly batchEventsMax?: number;
  /** How long a request that is not full waits for more events. Default: 5. */
  readonly lingerMs?: number;
  /** The most requests at a time. Default: 4. */
  readonly requestsMax?: number;
  /** The most bytes that wait in memory. Each event is charged its JSON text and 512 bytes. Default: 16 MiB. */
  readonly bufferBytesMax?: number;
  /** How long the client tries to deliver an event. Must stay well below the consumers' `TALLYMAN_DEDUP_WINDOW_MS`. Default: 10 minutes. */
  readonly giveUpAfterMs?: number;
  /** Called for each event of `tryRecord` that fails. Default: a process warning for the first failure of each code. */
  readonly onFailure?: (error: UsageError, usage: Usage) => void;
}

/** The event is durable. */
export interface Receipt {
  readonly id: string;
}

/** Events since the client was created; the last two count requests. */
export interface ClientCounts {
  /** Waiting now: taken, and neither delivered nor failed. */
  readonly held: number;
  readonly durable: number;
  readonly rejected: number;
  /** Taken, but not delivered. */
  readonly undelivered: number;
  /** Not taken: the buffer was full, the client was closed, or the usage cannot be written as JSON. */
  readonly turnedAway: number;
  readonly requests: number;
  /** Requests that repeated a failed one. */
  readonly retries: number;
}

/** One use that will be recorded or dropped; see `UsageClient.announce`. */
export interface Announced {
  /** Like `UsageClient.record`, and also works while the client is closing. */
  record(usage: Usage): Promise<Receipt>;
  /** There is nothing to record. */
  drop(): void;
}

export interface UsageClient extends AsyncDisposable {
  /** Resolves when the event is durable: the sidecar has answered 202. Rejects with a `UsageRejected` or a `UsageUndelivered`. */
  record(usage: Usage): Promise<Receipt>;
  /** Returns false when it takes nothing, because the buffer is full or the client is closed. A later failure goes to `onFailure`. Never throws. */
  tryRecord(usage: Usage): boolean;
  /** Makes `close` wait for usage that is not known yet. Record or drop what it returns. */
  announce(): Announced;
  /** Resolves when the sidecar is ready. Rejects after `withinMs` (default: 10 s) and says why it is not. */
  ready(withinMs?: number): Promise<void>;
  /** Resolves when at most half of the buffer is in use. */
  drained(): Promise<void>;
  /** Takes only what was announced, delivers what it holds, and fails what is left after `withinMs` (default: 10 s). Idempotent. */
  close(withinMs?: number): Promise<void>;
  counts(): ClientCounts;
}
