import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { newEventId } from '../../../../shared/event/event-id.ts';
import { sendError, sendJson, sendMethodNotAllowed, sendNotFound } from '../../../../shared/http/respond.ts';
import type { PublisherMetrics } from '../metrics.ts';
import type { TurnedAwayReason } from '../outbox/core.ts';
import type { Outcome } from '../outbox/outbox.ts';
import type { PackedEvent } from '../outbox/packing.ts';
import { type BodyLimits, BodyReader } from './body.ts';
import { formatOf } from './format.ts';
import { RequestFault, type RequestFaultCode } from './request-fault.ts';
import { sift, type Sifted } from './sift.ts';

export interface IntakeOptions extends BodyLimits {
  readonly requestEventsMax: number;
  readonly meters: ReadonlySet<string> | undefined;
  readonly outbox: {
    readonly turnsAway: TurnedAwayReason | undefined;
    submit(events: readonly PackedEvent[], receivedAtMs: number, answer: (outcome: Outcome) => void): void;
  };
  readonly metrics: PublisherMetrics;
}

const path = '/v1/events';

const outcomeFaults: Readonly<
  Record<Exclude<Outcome, 'durable'>, { readonly code: RequestFaultCode; readonly message: string }>
> = {
  broker_unavailable: {
    code: 'broker_unavailable',
    message: 'The broker is away, so no event of this request was taken. Send it again, with the same ids.',
  },
  overloaded: {
    code: 'overloaded',
    message:
      'Too many events wait for the broker, so no event of this request was taken. Send it again, with the same ids.',
  },
  expired: {
    code: 'unconfirmed',
    message:
      'The broker did not confirm every event of this request in time; some may be counted. Send it again: events with the same ids count once.',
  },
};

/** `POST /v1/events` (design 3.1): answers 202 once every valid event of the request is durable, and never before. */
export function intakeHandler(
  options: IntakeOptions,
): (request: IncomingMessage, response: ServerResponse) => void | Promise<void> {
  const { outbox, metrics, meters, requestEventsMax } = options;
  const bodies = new BodyReader(options);

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedMs = performance.now();
    response.on('close', () => {
      metrics.requests.inc({ status: response.writableFinished ? response.statusCode : 'aborted' });
      metrics.requestSeconds.observe((performance.now() - startedMs) / 1000);
    });
    try {
      const format = formatOf(request.headers);
      // Before the body is read: while the broker is away, bodies would be read for nothing.
      if (outbox.turnsAway !== undefined) throw faultOf(outbox.turnsAway);
      const text = await bodies.read(request);
      if (text === undefined) return;
      const nowMs = Date.now();
      const sifted = sift(format(text, requestEventsMax), { nowMs, newId: () => newEventId(nowMs), meters });
      for (const { code } of sifted.rejected) metrics.rejected.inc({ code });
      if (sifted.accepted.length === 0) sendSifted(response, 400, sifted);
      else outbox.submit(sifted.accepted, nowMs, (outcome) => answer(response, sifted, outcome));
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      sendFault(response, error);
      // What the client still sends is read and dropped: a closed connection could lose it the answer.
      request.resume();
    }
  }

  function answer(response: ServerResponse, sifted: Sifted, outcome: Outcome): void {
    if (outcome !== 'durable') {
      metrics.failed.inc(sifted.accepted.length);
      sendFault(response, faultOf(outcome));
      return;
    }
    metrics.accepted.inc(sifted.accepted.length);
    metrics.duplicates.inc(sifted.duplicates);
    sendSifted(response, 202, sifted);
  }

  return (request, response) => {
    const url = request.url ?? '/';
    if (url !== path && url.split('?', 1)[0] !== path) sendNotFound(response, url);
    else if (request.method !== 'POST') sendMethodNotAllowed(response, request.method, 'POST');
    else return take(request, response);
    request.resume();
    return undefined;
  };
}

function sendSifted(response: ServerResponse, status: number, { accepted, duplicates, rejected }: Sifted): void {
  sendJson(response, status, { accepted: accepted.length, duplicates, rejected });
}

function sendFault(response: ServerResponse, fault: RequestFault): void {
  const headers: OutgoingHttpHeaders = {};
  if (fault.retryAfterS !== undefined) headers['retry-after'] = String(fault.retryAfterS);
  sendError(response, fault.status, fault.code, fault.message, headers);
}

function faultOf(outcome: Exclude<Outcome, 'durable'>): RequestFault {
  const { code, message } = outcomeFaults[outcome];
  return new RequestFault(code, message);
}
