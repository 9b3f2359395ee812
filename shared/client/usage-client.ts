import type { Usage } from './usage.ts';
import type { UsageError } from './usage-error.ts';

export interface ClientOptions {
  /** Where the sidecar is, without a path. Default: `http://127.0.0.1:7070`. */
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

/** One use that is still to be recorded; see `UsageClient.announce`. */
export interface Announced {
  /** As `UsageClient.record`, also while the client is closing. */
  record(usage: Usage): Promise<Receipt>;
  /** There is nothing to record. */
  drop(): void;
}

export interface UsageClient extends AsyncDisposable {
  /** Resolves once the event is durable (202). Rejects with a `UsageRejected` or a `UsageUndelivered`. */
  record(usage: Usage): Promise<Receipt>;
  /** False: nothing was taken. What happens to it later is told to `onFailure` only if it fails. Never throws. */
  tryRecord(usage: Usage): boolean;
  /** Usage that is on its way but not known yet: `close` waits for it. Has to be recorded or dropped. */
  announce(): Announced;
  /** Resolves once the sidecar is ready to take usage; rejects with what it says, or why it cannot be reached, after `withinMs` (default 10 s). */
  ready(withinMs?: number): Promise<void>;
  /** Resolves when at most half of the buffer is in use: at once, or after a sidecar that was slow or away. */
  drained(): Promise<void>;
  /** Takes nothing more but what was announced, delivers what is held, and fails what is left after `withinMs` (default 10 s). Idempotent. */
  close(withinMs?: number): Promise<void>;
  counts(): ClientCounts;
}
