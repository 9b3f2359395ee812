import type { JsonSchema } from '../../../../shared/event/event-schema.ts';
import { v1 } from '../intake/stripe/v1.ts';
import { v2 } from '../intake/stripe/v2.ts';
import { sessionPath, streamPath } from '../intake/stripe/endpoints.ts';
import { answerSchemas, eventsResponses, jsonContent, ref, stripeResponses } from './answers.ts';
import {
  eventsParameters,
  idempotencyKey,
  requestSchemas,
  type RequestSettings,
  stripeParameters,
} from './requests.ts';

/** The sidecar's API as OpenAPI 3.1, for the settings of this sidecar. document.integration.test.ts holds it to the answers. */
export function openApiDocument(settings: RequestSettings): object {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Tallyman sidecar',
      version: '1',
      description:
        'Takes usage events. A success means that every accepted event is durable. Lengths are counted in UTF-16 units. ' +
        'A request that is not valid HTTP, or arrives too slowly, is answered with 400, 408 or 431 without a body.',
    },
    // Relative: whoever has the document has the address.
    servers: [{ url: '/' }],
    tags: [
      { name: 'events', description: 'Usage events and CloudEvents.' },
      { name: 'stripe', description: "The part of Stripe's API that usage is sent to." },
      { name: 'operations', description: 'Probes, metrics and this document.' },
    ],
    // The token is needed if TALLYMAN_TOKEN is set.
    security: [{}, { token: [] }],
    paths: { ...eventsPaths(), ...stripePaths(), ...operationsPaths },
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'TALLYMAN_TOKEN, if it is set.' },
        session: { type: 'http', scheme: 'bearer', description: `The token of a session, from POST ${sessionPath}.` },
      },
      schemas: { ...requestSchemas(settings), ...answerSchemas, ...stripeSchemas },
    },
  };
}

function eventsPaths(): object {
  const lines = { schema: { type: 'string', description: 'One Event a line. Blank lines are skipped.' } };
  const requestBody = {
    required: true,
    content: {
      'application/json': { schema: { anyOf: [ref('Event'), ref('Events'), ref('CloudEventData')] } },
      'application/x-ndjson': lines,
      'application/ndjson': lines,
      'application/cloudevents+json': { schema: ref('CloudEvent') },
      'application/cloudevents-batch+json': { schema: ref('CloudEvents') },
    },
  };
  const of = (operationId: string, summary: string): object => ({
    post: {
      operationId,
      summary,
      tags: ['events'],
      parameters: eventsParameters,
      requestBody,
      responses: eventsResponses,
    },
  });
  return {
    '/v1/events': of('recordEvents', 'Records usage events.'),
    '/v1/validate': of('validateEvents', 'Answers as /v1/events would now, and takes nothing.'),
  };
}

const meterEvent = (object: string, time: JsonSchema): JsonSchema => ({
  type: 'object',
  required: ['object', 'created', 'event_name', 'identifier', 'livemode', 'payload', 'timestamp'],
  additionalProperties: false,
  properties: {
    object: { const: object },
    created: time,
    event_name: { type: 'string' },
    identifier: { type: 'string' },
    livemode: { type: 'boolean' },
    payload: { type: 'object', additionalProperties: { type: 'string' } },
    timestamp: time,
  },
});

const dateTime = { type: 'string', format: 'date-time' };

const stripeSchemas: Readonly<Record<string, JsonSchema>> = {
  CreatedMeterEvent: meterEvent('billing.meter_event', { type: 'integer' }),
  CreatedMeterEventV2: meterEvent('v2.billing.meter_event', dateTime),
  Session: {
    type: 'object',
    required: ['id', 'object', 'authentication_token', 'created', 'expires_at', 'livemode'],
    additionalProperties: false,
    properties: {
      id: { type: 'string' },
      object: { const: 'v2.billing.meter_event_session' },
      authentication_token: { type: 'string' },
      created: dateTime,
      expires_at: dateTime,
      livemode: { type: 'boolean' },
    },
  },
};

function stripePaths(): object {
  const form = { schema: ref('MeterEvent'), encoding: { payload: { style: 'deepObject', explode: true } } };
  const body = (content: object): object => ({ requestBody: { required: true, content } });
  const tags = ['stripe'];
  const create = { tags, summary: 'Creates a meter event.', parameters: [...stripeParameters, idempotencyKey] };
  return {
    [v1.path]: {
      post: {
        operationId: 'createMeterEvent',
        ...create,
        ...body({ 'application/x-www-form-urlencoded': form }),
        responses: stripeResponses(ref('CreatedMeterEvent'), { replayed: true }),
      },
    },
    [v2.path]: {
      post: {
        operationId: 'createMeterEventV2',
        ...create,
        ...body(jsonContent(ref('MeterEventV2'))),
        responses: stripeResponses(ref('CreatedMeterEventV2'), { replayed: true }),
      },
    },
    [sessionPath]: {
      post: {
        operationId: 'createMeterEventSession',
        tags,
        summary: 'Creates a session for the stream, for 15 minutes.',
        parameters: stripeParameters,
        requestBody: { required: false, content: jsonContent({ type: 'object', additionalProperties: false }) },
        responses: stripeResponses(ref('Session'), { replayed: false }),
      },
    },
    [streamPath]: {
      post: {
        operationId: 'streamMeterEvents',
        tags,
        summary: 'Records up to 100 meter events. One invalid event refuses the request.',
        security: [{ session: [] }],
        parameters: stripeParameters,
        ...body(jsonContent(ref('MeterEventStream'))),
        responses: stripeResponses({ type: 'object', additionalProperties: false }, { replayed: false }),
      },
    },
  };
}

const sentences = { type: 'array', items: { type: 'string' } };
const readiness = jsonContent({
  type: 'object',
  required: ['ready', 'state', 'reasons'],
  additionalProperties: false,
  properties: { ready: { type: 'boolean' }, state: { type: 'string' }, reasons: sentences, remarks: sentences },
});

function get(operationId: string, summary: string, responses: object): object {
  return { get: { operationId, summary, tags: ['operations'], security: [], responses } };
}

const operationsPaths = {
  '/healthz': get('health', 'Whether the process lives.', {
    200: { description: 'It does.', content: jsonContent({ type: 'object', properties: { status: { const: 'ok' } } }) },
  }),
  '/readyz': get('readiness', 'Whether the sidecar takes usage.', {
    200: { description: 'It does.', content: readiness },
    503: { description: 'It does not; `reasons` says why.', content: readiness },
  }),
  '/metrics': get('metrics', 'Metrics for Prometheus.', {
    200: { description: 'Metrics.', content: { 'text/plain': { schema: { type: 'string' } } } },
  }),
  '/openapi.json': get('openApiDocument', 'This document.', {
    200: { description: 'OpenAPI 3.1.', content: jsonContent({ type: 'object' }) },
  }),
};
