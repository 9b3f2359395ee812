import {
  dateTimeSchema,
  dimensionNames,
  dimensionText,
  eventSchema,
  type JsonSchema,
  textSchema,
  valueSchema,
  valueTextSchema,
} from '../../../../shared/event/event-schema.ts';
import {
  accountCharsMax,
  customerCharsMax,
  dimensionsMax,
  idCharsMax,
  meterCharsMax,
} from '../../../../shared/event/fields.ts';
import { attributeCharsMax, countsOne, defaultValuePlace } from '../intake/cloud-events.ts';
import { idempotencyKeyCharsMax } from '../intake/stripe/call.ts';
import type { PayloadKeys } from '../intake/stripe/meter-event.ts';
import { streamEventsMax } from '../intake/stripe/stream.ts';
import { ref } from './answers.ts';

/** What depends on the settings of this sidecar. */
export interface RequestSettings {
  readonly requestEventsMax: number;
  readonly payloadKeys: PayloadKeys;
  /** Where CloudEvents have their value. */
  readonly cloudEventsValue?: string;
}

export function requestSchemas(settings: RequestSettings): Readonly<Record<string, JsonSchema>> {
  const { requestEventsMax, cloudEventsValue = defaultValuePlace } = settings;
  const many = { type: 'array', minItems: 1, maxItems: requestEventsMax };
  const payload = payloadSchema(settings.payloadKeys);
  return {
    Event: eventSchema,
    Events: { ...many, items: ref('Event') },
    CloudEvent: cloudEventSchema(),
    CloudEvents: { ...many, items: ref('CloudEvent') },
    CloudEventData: dataSchema(cloudEventsValue),
    Payload: payload,
    MeterEvent: meterEventSchema({ type: 'integer', description: 'Unix seconds.' }),
    MeterEventV2: meterEventSchema(dateTimeSchema),
    MeterEventStream: {
      type: 'object',
      required: ['events'],
      additionalProperties: false,
      properties: {
        events: { type: 'array', minItems: 1, maxItems: streamEventsMax, items: ref('MeterEventV2') },
      },
    },
  };
}

function cloudEventSchema(): JsonSchema {
  const attribute = (description: string): JsonSchema => textSchema(attributeCharsMax, description);
  return {
    type: 'object',
    description: 'A CloudEvent 1.0. Attributes that are not listed are ignored.',
    required: ['specversion', 'id', 'source', 'type', 'subject'],
    properties: {
      specversion: { const: '1.0' },
      id: attribute('Events of the same source that have the same id count once.'),
      source: attribute('Part of the identity.'),
      type: textSchema(meterCharsMax, 'The meter.'),
      subject: textSchema(customerCharsMax, 'Stripe customer id.'),
      time: dateTimeSchema,
      data: { anyOf: [{ type: 'null' }, ref('CloudEventData')], description: 'Without it, the event counts 1.' },
    },
    not: { required: ['data_base64'] },
  };
}

/** `data.usage.total`: an object with `usage`, an object with `total`. */
function dataSchema(valuePlace: string): JsonSchema {
  const description = `The value is in ${valuePlace} (TALLYMAN_CLOUDEVENTS_VALUE). Other fields are ignored.`;
  if (valuePlace === countsOne) return { type: 'object', description: 'Ignored: every CloudEvent counts 1.' };
  const names = valuePlace.split('.').slice(1);
  const within = names.reduceRight<JsonSchema>(
    (inner, name) => ({ type: 'object', required: [name], properties: { [name]: inner } }),
    valueSchema,
  );
  return { ...within, description };
}

function payloadSchema({ customer, value }: PayloadKeys): JsonSchema {
  return {
    type: 'object',
    description: 'Keys other than those of customer and value are dimensions.',
    required: [customer, value],
    maxProperties: dimensionsMax + 2,
    propertyNames: dimensionNames,
    properties: { [customer]: textSchema(customerCharsMax, 'Stripe customer id.'), [value]: valueTextSchema },
    additionalProperties: dimensionText,
  };
}

function meterEventSchema(timestamp: JsonSchema): JsonSchema {
  return {
    type: 'object',
    required: ['event_name', 'payload'],
    additionalProperties: false,
    properties: {
      event_name: textSchema(meterCharsMax, 'Event name of the meter.'),
      identifier: textSchema(
        idCharsMax,
        'Events with the same identifier count once. Default: made of the Idempotency-Key.',
      ),
      timestamp,
      payload: ref('Payload'),
    },
  };
}

/** The attributes of a CloudEvent in binary mode, and how the body may be compressed. */
export const eventsParameters: readonly object[] = [
  header('content-encoding', 'How the body is compressed.', { enum: ['identity', 'gzip', 'deflate', 'br'] }),
  header('ce-specversion', 'Binary mode of CloudEvents: the headers are the event, and the body is its data.', {
    const: '1.0',
  }),
  header('ce-id', 'Required in binary mode. Percent-encoded where it is not printable ASCII, as all of these.'),
  header('ce-source', 'Required in binary mode.'),
  header('ce-type', 'Required in binary mode: the meter.'),
  header('ce-subject', 'Required in binary mode: Stripe customer id.'),
  header('ce-time', 'RFC 3339.'),
];

const account = { type: 'string', maxLength: accountCharsMax, pattern: '^[!-.0-~]*$' };

export const stripeParameters: readonly object[] = [
  header('stripe-account', 'Connected account.', account),
  header('stripe-context', 'The newer name of Stripe-Account. If both are sent, they must be equal.', account),
];

export const idempotencyKey = header(
  'idempotency-key',
  'A repetition with the same key and body is answered like the first request.',
  { type: 'string', maxLength: idempotencyKeyCharsMax },
);

function header(name: string, description: string, schema: JsonSchema = { type: 'string', minLength: 1 }): object {
  return { in: 'header', name, description, schema };
}
