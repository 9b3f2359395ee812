import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission } from './admission.ts';
import type { BodyReader } from './body.ts';

/** One address that events are posted to. */
export interface Endpoint {
  /** Answers the request, or throws what `refuse` can tell. */
  readonly take: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** Answers a refusal in the form of the address; false if it is none of its kind: then it is a failure of ours. */
  readonly refuse: (request: IncomingMessage, response: ServerResponse, error: unknown) => boolean;
}

/** What all addresses share. */
export interface EndpointContext {
  readonly admission: Admission;
  readonly bodies: BodyReader;
}
