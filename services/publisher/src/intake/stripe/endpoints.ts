import type { IncomingMessage, ServerResponse } from 'node:http';
import { routeHint } from '../../../../../shared/http/respond.ts';
import type { Endpoint, EndpointContext } from '../endpoint.ts';
import { answerRefusal } from './answers.ts';
import { IdempotencyKeys } from './idempotency.ts';
import type { PayloadKeys } from './meter-event.ts';
import { meterEventEndpoint } from './meter-event-endpoint.ts';
import { StripeRefusal } from './refusal.ts';
import { Sessions } from './session.ts';
import { sessionEndpoint, streamEndpoint } from './stream.ts';
import { v1 } from './v1.ts';
import { v2 } from './v2.ts';

export const sessionPath = '/v2/billing/meter_event_session';
export const streamPath = '/v2/billing/meter_event_stream';

/** As many as event ids, so that no event is remembered longer than the request that it came with. */
const keyLimits = { keysMax: 50_000, ageMs: 5 * 60_000 };

/** The addresses of Stripe's API that usage is sent to. */
export class StripeEndpoints {
  /** The stream asks for the token of a session. */
  readonly guarded: ReadonlySet<string> = new Set([streamPath]);
  readonly #endpoints: ReadonlyMap<string, Endpoint>;

  constructor(context: EndpointContext, { payloadKeys }: { readonly payloadKeys: PayloadKeys }) {
    const keys = new IdempotencyKeys(keyLimits, performance.now());
    const sessions = new Sessions();
    this.#endpoints = new Map([
      [v1.path, meterEventEndpoint(context, v1, { payloadKeys, keys })],
      [v2.path, meterEventEndpoint(context, v2, { payloadKeys, keys })],
      [sessionPath, sessionEndpoint(context, sessions)],
      [streamPath, streamEndpoint(context, sessions, payloadKeys)],
    ]);
  }

  at(path: string): Endpoint | undefined {
    return this.#endpoints.get(path);
  }

  /** Whether whoever asks for this speaks to Stripe. */
  owns(path: string): boolean {
    return path.startsWith('/v2/') || (path.startsWith('/v1/') && !/^\/v1\/(?:events|validate)/.test(path));
  }

  get paths(): readonly string[] {
    return [...this.#endpoints.keys()];
  }

  /** `routes` is all that the sidecar takes, like "POST /v1/events". */
  refuseAddress(request: IncomingMessage, response: ServerResponse, path: string, routes: readonly string[]): void {
    const message =
      `Unrecognized request URL (${request.method ?? 'GET'}: ${path.slice(0, 200)}). ${routeHint(path, routes)} ` +
      'The sidecar takes usage only; send everything else to Stripe.';
    answerRefusal(request, response, new StripeRefusal(message, { status: 404 }));
  }

  refuseKey(request: IncomingMessage, response: ServerResponse): void {
    response.shouldKeepAlive = false;
    const message =
      'Invalid API Key provided. The sidecar has a token (TALLYMAN_TOKEN); give it to the client as its API key.';
    answerRefusal(request, response, new StripeRefusal(message, { status: 401 }));
  }
}
