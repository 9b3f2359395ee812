import { hash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { EventFault } from '../../../../../shared/event/event-fault.ts';
import type { UsageEvent } from '../../../../../shared/event/usage-event.ts';
import { validateEvent, type Validation } from '../../../../../shared/event/validate.ts';
import type { Endpoint, EndpointContext } from '../endpoint.ts';
import { faultOf } from '../request-fault.ts';
import { answer, answerFault, answerRefusal, refuse } from './answers.ts';
import { type Call, readCall } from './call.ts';
import { type First, type IdempotencyKeys, keyOf } from './idempotency.ts';
import { type MeterEvent, type PayloadKeys, refusalOf, usageEventOf } from './meter-event.ts';
import type { StripeRefusal } from './refusal.ts';

/** What the two versions of "create a meter event" do each in their own way. */
export interface MeterEventVersion {
  readonly name: 'v1' | 'v2';
  readonly path: string;
  /** Throws a `StripeRefusal`. */
  readonly checkType: (contentType: string) => void;
  /** Throws a `StripeRefusal` or a `RequestFault`. */
  readonly read: (text: string) => MeterEvent;
  /** The body of a success. `created` in unix milliseconds. */
  readonly success: (event: UsageEvent, sent: MeterEvent, created: number, livemode: boolean) => unknown;
  readonly duplicate: (identifier: string) => StripeRefusal;
}

export interface MeterEventOptions {
  readonly payloadKeys: PayloadKeys;
  readonly keys: IdempotencyKeys;
}

/**
 * Creates one meter event: 200 once it is durable. A second event with an identifier that is durable already is refused like at
 * Stripe; the repetition of a request, told by its idempotency key, is answered like the first time.
 *
 * An event that comes without an identifier but with an idempotency key gets one that is made of the key: so the automatic
 * repetition by a Stripe client counts once, also when the sidecar was killed in between.
 */
export function meterEventEndpoint(
  { admission, bodies }: EndpointContext,
  version: MeterEventVersion,
  { payloadKeys, keys }: MeterEventOptions,
): Endpoint {
  function create(request: IncomingMessage, response: ServerResponse, call: Call, text: string): void {
    const sent = version.read(text);
    const nowMs = Date.now();
    const key = call.idempotencyKey === undefined ? undefined : keyOf(call.account, call.idempotencyKey);
    const identifier = sent.identifier ?? (key === undefined ? undefined : identifierOf(key));
    const first = key === undefined ? undefined : keys.enter(key, version.path + text, nowMs, performance.now());
    const createdMs = first?.createdMs ?? nowMs;
    // The default of the first time, not of the repetition: both are the same event.
    const timestamp = sent.timestamp ?? createdMs / 1000;
    const usage = usageEventOf({ ...sent, identifier, timestamp }, payloadKeys, call.account);
    /** A refusal is no answer to be repeated as a success. */
    const forget = (): void => {
      if (key !== undefined && first === undefined) keys.forget(key);
    };
    let event: UsageEvent | EventFault | undefined;
    const validate = (input: unknown, validation: Validation): UsageEvent | EventFault =>
      (event = validateEvent(input, validation));
    admission.take([usage], validate, ({ accepted }, outcome) => {
      if (event === undefined) throw new Error('A meter event was judged before it was validated.');
      if (event instanceof EventFault) {
        forget();
        answerRefusal(request, response, refusalOf(event, payloadKeys, version.name));
      } else if (outcome !== 'durable') {
        answerFault(request, response, faultOf(outcome));
      } else if (accepted.length === 1 || first !== undefined) {
        const body = version.success(event, sent, createdMs, call.livemode);
        answer(request, response, 200, body, headersOf(call, accepted.length === 1 ? undefined : first));
      } else {
        forget();
        answerRefusal(request, response, version.duplicate(event.id));
      }
    });
  }

  return {
    async take(request, response) {
      version.checkType(request.headers['content-type'] ?? '');
      const call = readCall(request);
      admission.checkOpen();
      const text = await bodies.read(request);
      if (text !== undefined) create(request, response, call, text);
    },
    refuse,
  };
}

function headersOf({ requestId }: Call, replayed: First | undefined): OutgoingHttpHeaders {
  return { 'request-id': requestId, ...(replayed === undefined ? {} : { 'idempotent-replayed': 'true' }) };
}

function identifierOf(key: string): string {
  return `idempotency-${hash('sha256', key).slice(0, 40)}`;
}
