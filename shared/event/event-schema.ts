import { maxSignificantDigits } from '../decimal/decimal.ts';
import {
  accountCharsMax,
  customerCharsMax,
  dimensionKeyCharsMax,
  dimensionsMax,
  dimensionValueCharsMax,
  idCharsMax,
  meterCharsMax,
  unixSecondsEnd,
} from './fields.ts';
import { decimalPattern, valueCharsMax } from './value.ts';

/** JSON Schema, draft 2020-12. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** `textFault` says the same of a string, and refuses lone surrogates, which no other language can send. */
const withoutControls = String.raw`^[^\u0000-\u001f\u007f-\u009f]*$`;

export function textSchema(charsMax: number, description: string): JsonSchema {
  return { type: 'string', minLength: 1, maxLength: charsMax, pattern: withoutControls, description };
}

const decimalText: JsonSchema = { type: 'string', pattern: decimalPattern.source, maxLength: valueCharsMax };
const exactness = `At most ${maxSignificantDigits} significant digits, trailing zeros included.`;

export const valueSchema: JsonSchema = {
  anyOf: [{ type: 'number' }, decimalText],
  description: `An exact decimal. ${exactness}`,
};
export const valueTextSchema: JsonSchema = { ...decimalText, description: `An exact decimal. ${exactness}` };

const period = 'From 35 days ago, less an hour for the way to Stripe, to 5 minutes ahead. Cut to the millisecond.';

export const dateTimeSchema: JsonSchema = { type: 'string', format: 'date-time', description: period };

export const dimensionNames: JsonSchema = { minLength: 1, maxLength: dimensionKeyCharsMax, pattern: withoutControls };
export const dimensionText = textSchema(dimensionValueCharsMax, 'The value of a dimension.');

/**
 * An event as applications send it. `validateEvent` judges events by hand, because it runs for every one of them; both have their
 * bounds from the same place, and event-schema.test.ts holds them to each other.
 */
export const eventSchema: JsonSchema = {
  type: 'object',
  required: ['customer', 'meter'],
  additionalProperties: false,
  properties: {
    id: textSchema(
      idCharsMax,
      'Events of one account, customer and meter that have the same id count once. Default: a UUIDv7.',
    ),
    customer: textSchema(customerCharsMax, 'Stripe customer id.'),
    meter: textSchema(meterCharsMax, 'Event name of the meter; one of TALLYMAN_METERS, if that is set.'),
    value: { ...valueSchema, default: 1 },
    timestamp: {
      anyOf: [
        { type: 'number', minimum: 0, exclusiveMaximum: unixSecondsEnd },
        { type: 'string', format: 'date-time' },
      ],
      description: `When it happened: Unix seconds or RFC 3339. ${period} Default: when the sidecar received it.`,
    },
    dimensions: {
      type: 'object',
      maxProperties: dimensionsMax,
      propertyNames: dimensionNames,
      additionalProperties: dimensionText,
    },
    account: {
      type: 'string',
      minLength: 1,
      maxLength: accountCharsMax,
      pattern: '^[!-~]*$',
      description: 'Stripe connected account.',
    },
  },
};
