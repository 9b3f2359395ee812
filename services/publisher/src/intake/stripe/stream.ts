import { EventFault } from '../../../../../shared/event/event-fault.ts';
import { validateEvent } from '../../../../../shared/event/validate.ts';
import type { Endpoint, EndpointContext } from '../endpoint.ts';
import { faultOf } from '../request-fault.ts';
import { answer, answerFault, answerRefusal, refuse } from './answers.ts';
import { type Call, newRequestId, readCall } from './call.ts';
import { type PayloadKeys, refusalOf, usageEventOf } from './meter-event.ts';
import { type Session, sessionMs, type Sessions } from './session.ts';
import { checkJson, invalid, parseObject, readMeterEvent } from './v2.ts';

/** As at Stripe. */
export const streamEventsMax = 100;

/** `POST /v2/billing/meter_event_session`: a token for the stream. */
export function sessionEndpoint({ bodies }: EndpointContext, sessions: Sessions): Endpoint {
  return {
    async take(request, response) {
      const { account, livemode, requestId } = readCall(request);
      const text = await bodies.read(request);
      if (text === undefined) return;
      // The package sends no body at all where there are no parameters.
      if (text.trim() !== '') {
        const [field] = Object.keys(parseObject(text, 1));
        if (field !== undefined) throw invalid(`${JSON.stringify(field.slice(0, 100))} is not a field of a session.`);
      }
      const nowMs = Date.now();
      const expiresMs = nowMs + sessionMs;
      const session: Session = { expiresMs, livemode, ...(account === undefined ? {} : { account }) };
      const body = {
        id: `mtes_${newRequestId(nowMs).slice('req_'.length)}`,
        object: 'v2.billing.meter_event_session',
        authentication_token: sessions.tokenOf(session),
        created: new Date(nowMs).toISOString(),
        expires_at: new Date(expiresMs).toISOString(),
        livemode,
      };
      answer(request, response, 200, body, { 'request-id': requestId });
    },
    refuse,
  };
}

/**
 * `POST /v2/billing/meter_event_stream`: up to 100 events. Stripe validates them after its answer and drops the invalid ones;
 * here one invalid event refuses the request, and nothing of it is counted. Repeated identifiers are dropped silently, as at Stripe.
 */
export function streamEndpoint(
  { admission, bodies }: EndpointContext,
  sessions: Sessions,
  payloadKeys: PayloadKeys,
): Endpoint {
  return {
    async take(request, response) {
      const session = sessions.read(request.headers.authorization, Date.now());
      checkJson(request.headers['content-type'] ?? '');
      const call = readCall(request);
      const account = accountOf(call, session);
      admission.checkOpen();
      const text = await bodies.read(request);
      if (text === undefined) return;
      const events = readEvents(text).map((event) => usageEventOf(event, payloadKeys, account));
      let fault: EventFault | undefined;
      let faultAt = 0;
      let count = 0;
      admission.take(
        events,
        (input, validation) => {
          const event = validateEvent(input, validation);
          if (event instanceof EventFault && fault === undefined) [fault, faultAt] = [event, count];
          count++;
          return event;
        },
        (_, outcome) => {
          if (fault !== undefined) {
            const { param = fault.field } = refusalOf(fault, payloadKeys, 'v2');
            const located = fault.about(`events[${faultAt}].${param}`);
            answerRefusal(request, response, refusalOf(located, payloadKeys, 'v2'));
          } else if (outcome === 'durable') {
            answer(request, response, 200, {}, { 'request-id': call.requestId });
          } else {
            answerFault(request, response, faultOf(outcome));
          }
        },
        true,
      );
    },
    refuse,
  };
}

function readEvents(text: string) {
  const { events, ...others } = parseObject(text, streamEventsMax);
  const [other] = Object.keys(others);
  if (other !== undefined) throw invalid(`${JSON.stringify(other.slice(0, 100))} is not a field of the stream.`);
  if (!Array.isArray(events)) throw invalid('events is missing, or no array.', 'events');
  if (events.length < 1 || events.length > streamEventsMax)
    throw invalid(`events has ${events.length} elements; it must have 1 to ${streamEventsMax}.`, 'events');
  return events.map((event: unknown, index) => readMeterEvent(event, `events[${index}].`));
}

function accountOf({ account }: Call, session: Session): string | undefined {
  if (account !== undefined && account !== session.account)
    throw invalid(`The session is not of the account ${JSON.stringify(account)}; create it with that account.`);
  return session.account;
}
