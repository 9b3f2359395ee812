import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { sendError, sendJson } from '../../../../shared/http/respond.ts';
import type { Outcome } from '../outbox/outbox.ts';
import type { Endpoint, EndpointContext } from './endpoint.ts';
import type { FormatChooser } from './format.ts';
import { faultOf, RequestFault } from './request-fault.ts';
import type { Sifted } from './sift.ts';

/**
 * `POST /v1/events` (ARCHITECTURE.md 3.1): answers 202 once every valid event of the request is durable, and never before.
 * `POST /v1/validate`, with `admit` = `judge`: answers the same, and takes nothing.
 */
export function eventsEndpoint(
  admit: 'take' | 'judge',
  { admission, bodies }: EndpointContext,
  chooseFormat: FormatChooser,
  requestEventsMax: number,
): Endpoint {
  return {
    async take(request, response) {
      const format = chooseFormat(request);
      admission.checkOpen();
      const text = await bodies.read(request);
      if (text === undefined) return;
      admission[admit](format.read(text, requestEventsMax), format.validate, (sifted, outcome) =>
        answer(response, sifted, outcome),
      );
    },
    refuse(_, response, error) {
      if (!(error instanceof RequestFault)) return false;
      sendFault(response, error);
      return true;
    },
  };
}

function sendFault(response: ServerResponse, fault: RequestFault): void {
  const headers: OutgoingHttpHeaders = {};
  if (fault.retryAfterS !== undefined) headers['retry-after'] = String(fault.retryAfterS);
  sendError(response, fault.status, fault.code, fault.message, headers);
}

function answer(response: ServerResponse, { accepted, duplicates, rejected }: Sifted, outcome: Outcome): void {
  if (outcome !== 'durable') {
    sendFault(response, faultOf(outcome));
    return;
  }
  const status = accepted.length + duplicates === 0 ? 400 : 202;
  sendJson(response, status, { accepted: accepted.length, duplicates, rejected });
}
