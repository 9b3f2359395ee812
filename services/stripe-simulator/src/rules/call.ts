import type { Account } from './accounts.ts';
import type { Answer } from './answers.ts';
import type { Endpoint } from './endpoints.ts';
import type { Fault } from './faults.ts';
import type { Form } from './form.ts';
import type { Waiting } from './lanes.ts';
import type { MeterEventRequest } from './meter-event.ts';

/** A request as it came in. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: string;
  readonly apiKey: string | undefined;
  readonly account: string | undefined;
  readonly idempotencyKey: string | undefined;
}

/** A call that was understood. */
export type Request = {
  readonly call: Call;
  readonly account: Account;
} & (
  | { readonly endpoint: Extract<Endpoint, { name: 'create-meter-event' }>; readonly event: MeterEventRequest }
  | { readonly endpoint: Exclude<Endpoint, { name: 'create-meter-event' }>; readonly params: Form }
);

/** How an answer reaches the client: as it is, never, or as a reset connection. */
export type Delivery = 'answer' | 'hang' | 'reset';

/** A call from its arrival to its end. After `waitMs` it is to be finished, whether or not its client is still there. */
export interface Visit {
  readonly requestId: string;
  readonly waitMs: number;
  readonly delivery: Delivery;
  /** What is to be answered, or what is to be executed for an answer. */
  readonly outcome: Answer | Execution;
  /** Its place in its lane; undefined: it has none. */
  readonly waiting: Waiting | undefined;
}

export interface Execution {
  readonly request: Request;
  /** The idempotency key with its scope. */
  readonly key: string | undefined;
  readonly lane: string | undefined;
  readonly fault: Fault | undefined;
}

export function deliveryOf(fault: Fault | undefined): Delivery {
  if (fault?.kind === 'timeout') return 'hang';
  return fault?.kind === 'reset' || fault?.kind === 'reset-after' ? 'reset' : 'answer';
}
