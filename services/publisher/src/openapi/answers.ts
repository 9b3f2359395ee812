import { eventFaultCodes } from '../../../../shared/event/event-fault.ts';
import type { JsonSchema } from '../../../../shared/event/event-schema.ts';
import { idCharsMax } from '../../../../shared/event/fields.ts';
import { requestFaultCodes } from '../intake/request-fault.ts';
import { stripeCodes } from '../intake/stripe/refusal.ts';

/** The answers of the sidecar: every code from the table that the code itself uses. */

type Responses = Readonly<Record<string, object>>;

export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

export const jsonContent = (schema: JsonSchema): object => ({ 'application/json': { schema } });

/** One of these codes, each with its meaning. */
function codeSchema(codes: Readonly<Record<string, string>>): JsonSchema {
  return { type: 'string', oneOf: Object.entries(codes).map(([code, description]) => ({ const: code, description })) };
}

const message: JsonSchema = { type: 'string', description: 'For people. It may change.' };

function errorSchema(codes: Readonly<Record<string, string>>): JsonSchema {
  const error = { type: 'object', required: ['code', 'message'], properties: { code: codeSchema(codes), message } };
  return { type: 'object', required: ['error'], properties: { error } };
}

const count = (description: string): JsonSchema => ({ type: 'integer', minimum: 0, description });

export const answerSchemas: Readonly<Record<string, JsonSchema>> = {
  Answer: {
    type: 'object',
    description: 'What became of each event. The three parts add up to the request.',
    required: ['accepted', 'duplicates', 'rejected'],
    additionalProperties: false,
    properties: {
      accepted: count('Events that are durable.'),
      duplicates: count('Events whose id is durable already, or is in the request twice. They count once.'),
      rejected: { type: 'array', items: ref('Rejection') },
    },
  },
  Rejection: {
    type: 'object',
    required: ['index', 'id', 'code', 'message'],
    additionalProperties: false,
    properties: {
      index: count('Position of the event in the request, from 0.'),
      id: { type: ['string', 'null'], maxLength: idCharsMax, description: 'Its id, if it has a valid one.' },
      code: codeSchema(eventFaultCodes),
      message,
    },
  },
  Unauthorized: errorSchema({ unauthorized: 'The token is missing or wrong.' }),
  Internal: errorSchema({ internal: 'A fault of the sidecar. Send the request again, with the same ids.' }),
  StripeError: {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['type', 'message'],
        properties: {
          type: { enum: ['invalid_request_error', 'idempotency_error', 'temporary_session_expired', 'api_error'] },
          code: codeSchema({ ...meaningsOf(stripeCodes), ...meaningsOf(requestFaultCodes) }),
          message,
          param: { type: 'string', description: 'The parameter at fault.' },
        },
      },
    },
  },
};

function meaningsOf(kinds: Readonly<Record<string, { readonly meaning: string }>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(kinds).map(([code, { meaning }]) => [code, meaning]));
}

/** The codes of whole requests that are answered with this status. */
function requestCodes(status: number): Readonly<Record<string, string>> {
  return meaningsOf(Object.fromEntries(Object.entries(requestFaultCodes).filter(([, kind]) => kind.status === status)));
}

const retryAfter = { 'retry-after': { description: 'Seconds to wait.', required: true, schema: { type: 'integer' } } };
const internal = { 500: { description: 'A fault of the sidecar.', content: jsonContent(ref('Internal')) } };
const nothingTaken = 'Nothing of the request was taken.';
const sendAgain = 'Not every event became durable. Send the request again, with the same ids.';

/** `POST /v1/events` and `/v1/validate`. */
export const eventsResponses: Responses = {
  202: { description: 'Every accepted event is durable.', content: jsonContent(ref('Answer')) },
  400: {
    description: 'No event is valid, or the body cannot be read. Nothing was taken.',
    content: jsonContent({ oneOf: [ref('Answer'), errorSchema(requestCodes(400))] }),
  },
  401: {
    description: 'The token is missing or wrong.',
    headers: { 'www-authenticate': { schema: { const: 'Bearer' } } },
    content: jsonContent(ref('Unauthorized')),
  },
  413: {
    description: `The request is too large. ${nothingTaken}`,
    content: jsonContent(errorSchema(requestCodes(413))),
  },
  415: {
    description: `The sidecar cannot read this form of body. ${nothingTaken}`,
    content: jsonContent(errorSchema(requestCodes(415))),
  },
  ...internal,
  503: { description: sendAgain, headers: retryAfter, content: jsonContent(errorSchema(requestCodes(503))) },
};

const requestId = { 'request-id': { required: true, schema: { type: 'string' } } };
const shouldRetry = (retry: boolean): object => ({
  ...requestId,
  'stripe-should-retry': { required: true, schema: { const: String(retry) } },
});

/** `success`: the schema of the answer. `replayed`: a repetition by its Idempotency-Key says so. */
export function stripeResponses(success: JsonSchema, { replayed }: { readonly replayed: boolean }): Responses {
  const refusal = (description: string): object => ({
    description,
    headers: shouldRetry(false),
    content: jsonContent(ref('StripeError')),
  });
  const again = { 'idempotent-replayed': { description: 'On a repetition.', schema: { const: 'true' } } };
  return {
    200: {
      description: 'Durable.',
      headers: { ...requestId, ...(replayed ? again : {}) },
      content: jsonContent(success),
    },
    400: refusal(nothingTaken),
    401: refusal('The key is not the token of the sidecar, or the session has expired.'),
    413: refusal(`The request is too large. ${nothingTaken}`),
    415: refusal(`The sidecar cannot read this form of body. ${nothingTaken}`),
    ...internal,
    503: {
      description: sendAgain,
      headers: { ...shouldRetry(true), ...retryAfter },
      content: jsonContent(ref('StripeError')),
    },
  };
}
