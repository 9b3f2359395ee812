import type { IncomingMessage, ServerResponse } from 'node:http';
import { probeRoutes } from '../../../../shared/http/probes.ts';
import { sendJson, sendMethodNotAllowed, sendNotFound, sendUnauthorized } from '../../../../shared/http/respond.ts';
import type { Handler } from '../../../../shared/http/server.ts';
import { Admission, type AdmissionOptions } from './admission.ts';
import { type BodyLimits, BodyReader } from './body.ts';
import type { Endpoint } from './endpoint.ts';
import { eventsEndpoint } from './events.ts';
import { formatChooser } from './format.ts';
import type { PayloadKeys } from './stripe/meter-event.ts';
import { StripeEndpoints } from './stripe/endpoints.ts';

export interface IntakeOptions extends AdmissionOptions, BodyLimits {
  readonly payloadKeys: PayloadKeys;
  /** Where CloudEvents have their value; undefined: `data.value`. */
  readonly cloudEventsValue?: string;
}

export interface Intake {
  readonly handler: Handler;
  /** Tells a client in the form of the address that its token is missing. */
  readonly refuse: (request: IncomingMessage, response: ServerResponse) => void;
  /** Addresses that ask for credentials of their own. */
  readonly guardedByHandler: ReadonlySet<string>;
}

const eventsPath = '/v1/events';
const validatePath = '/v1/validate';
const documentPath = '/openapi.json';

/** Every way in: `POST /v1/events`, `POST /v1/validate`, and the addresses of Stripe's API that usage is sent to. */
export function createIntake(options: IntakeOptions): Intake {
  const { metrics } = options;
  const context = { admission: new Admission(options), bodies: new BodyReader(options) };
  const chooseFormat = formatChooser(options.cloudEventsValue);
  const endpoints: ReadonlyMap<string, Endpoint> = new Map([
    [eventsPath, eventsEndpoint('take', context, chooseFormat, options.requestEventsMax)],
    [validatePath, eventsEndpoint('judge', context, chooseFormat, options.requestEventsMax)],
  ]);
  const stripe = new StripeEndpoints(context, options);
  const routes = [...endpoints.keys(), ...stripe.paths].map((path) => `POST ${path}`);
  const allRoutes = [...routes, ...probeRoutes, `GET ${documentPath}`];

  function serve(path: string, endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedMs = performance.now();
    response.on('close', () => {
      metrics.requests.inc({ path, status: response.writableFinished ? response.statusCode : 'aborted' });
      metrics.requestSeconds.observe((performance.now() - startedMs) / 1000);
    });
    return endpoint.take(request, response).catch((error: unknown) => {
      if (!endpoint.refuse(request, response, error)) throw error;
      // What the client still sends is read and dropped: a closed connection could lose it the answer.
      request.resume();
    });
  }

  return {
    guardedByHandler: stripe.guarded,
    refuse(request, response) {
      if (stripe.owns(pathOf(request))) stripe.refuseKey(request, response);
      else sendUnauthorized(request, response);
    },
    handler(request, response) {
      const path = pathOf(request);
      const events = endpoints.get(path);
      if (events !== undefined) {
        if (request.method === 'POST') return serve(path, events, request, response);
        sendMethodNotAllowed(response, request.method, 'POST');
      } else if (path === documentPath) {
        if (request.method === 'GET' || request.method === 'HEAD') return sendDocument(response, options);
        sendMethodNotAllowed(response, request.method, 'GET');
      } else {
        const endpoint = stripe.at(path);
        if (endpoint !== undefined && request.method === 'POST') return serve(path, endpoint, request, response);
        if (stripe.owns(path)) stripe.refuseAddress(request, response, path, routes);
        else sendNotFound(response, path, allRoutes);
      }
      request.resume();
      return undefined;
    },
  };
}

/** Loaded when it is asked for, which is rare. */
async function sendDocument(response: ServerResponse, options: IntakeOptions): Promise<void> {
  const { openApiDocument } = await import('../openapi/document.ts');
  sendJson(response, 200, openApiDocument(options));
}

function pathOf({ url = '/' }: IncomingMessage): string {
  // The usual case, without a query.
  return url === eventsPath ? url : (url.split('?', 1)[0] ?? url);
}
