import type { Books } from './books.ts';
import type { TrafficOptions } from './traffic.ts';

/** What a thread of the load is told at its start. */
export interface Part {
  readonly traffic: TrafficOptions;
  /** Addresses of sidecars. */
  readonly targets: readonly string[];
  readonly events: number;
  /** Events per request. */
  readonly batch: number;
  /** Requests at a time, per sidecar. */
  readonly inFlight: number;
  readonly ratePerS: number;
  readonly token: string | undefined;
}

/** Counts of events; `retries` of requests. */
export interface Progress {
  /** Handed to a sidecar, for the first time. */
  readonly sent: number;
  /** Of those, answered 202. */
  readonly durable: number;
  /** Sent again on purpose, under the same id. */
  readonly repeated: number;
  /** Requests that were sent again because no answer came. */
  readonly retries: number;
}

/** What a thread tells. A thread that fails ends with its error instead. */
export type Report =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'finished'; readonly books: Books; readonly latency: Float64Array };
