import { type Amount, digitsOf, parseAmount, zero } from './amount.ts';
import { type Answer, invalid, missingParameter, tooLong, unknownParameter } from './answers.ts';
import type { Form } from './form.ts';
import type { Meter, Meters } from './meters.ts';
import type { World } from './world.ts';

/** The parameters of `POST /v1/billing/meter_events`, well-formed, not yet judged. */
export interface MeterEventRequest {
  readonly eventName: string;
  readonly payload: Readonly<Record<string, string>>;
  readonly identifier: string | undefined;
  readonly timestampS: number | undefined;
}

/** A meter event that may count. */
export interface MeterEvent {
  readonly meter: Meter;
  readonly customer: string;
  readonly amount: Amount;
  readonly timestampS: number;
}

const parameters = ['event_name', 'payload', 'identifier', 'timestamp', 'expand'];
const lengthMax = 100;
const digitsMax = 15;
const daysBack = 35;
const daySeconds = 86_400;
const aheadSeconds = 300;

/** Whether the request can be executed at all; a refusal here is not saved under the idempotency key. */
export function readMeterEvent(params: Form): MeterEventRequest | Answer {
  for (const name of Object.keys(params)) if (!parameters.includes(name)) return unknownParameter(name);
  const { event_name: eventName, payload, identifier, timestamp } = params;
  if (eventName === undefined || eventName === '') return missingParameter('event_name');
  if (typeof eventName !== 'string') return invalid('Invalid string: event_name', { param: 'event_name' });
  if (eventName.length > lengthMax) return tooLong('event_name', lengthMax);
  if (payload === undefined) return missingParameter('payload');
  if (typeof payload !== 'object')
    return invalid('Invalid object: payload must be a map of strings', { param: 'payload' });
  // Without a prototype: a meter may call its customer key `constructor`.
  const texts = Object.create(null) as Record<string, string>;
  for (const [key, value] of Object.entries(payload)) {
    if (typeof value !== 'string') return invalid(`Invalid string: payload[${key}]`, { param: `payload[${key}]` });
    texts[key] = value;
  }
  if (identifier !== undefined && (typeof identifier !== 'string' || identifier === '')) {
    return invalid('Invalid string: identifier', { param: 'identifier' });
  }
  if (identifier !== undefined && identifier.length > lengthMax) return tooLong('identifier', lengthMax);
  if (timestamp !== undefined && (typeof timestamp !== 'string' || !/^\d{1,12}$/.test(timestamp))) {
    return invalid('Invalid integer: timestamp', { code: 'parameter_invalid_integer', param: 'timestamp' });
  }
  return { eventName, payload: texts, identifier, timestampS: timestamp === undefined ? undefined : Number(timestamp) };
}

/** What Stripe's endpoint checks while it executes. Its codes are those of Stripe's error reports. */
export function judgeMeterEvent(
  request: MeterEventRequest,
  meters: Meters,
  world: World,
  nowS: number,
): MeterEvent | Answer {
  const { eventName, payload } = request;
  const meter = meters.forEvent(eventName);
  if (meter === undefined) {
    return invalid(`No active meter found for event name "${eventName}".`, { code: 'no_meter', param: 'event_name' });
  }
  if (!meters.isActive(meter)) {
    return invalid(`No active meter found for event name "${eventName}": it is archived.`, {
      code: 'archived_meter',
      param: 'event_name',
    });
  }
  const customer = payload[meter.customerKey];
  if (customer === undefined || customer === '') {
    return invalid(`The payload has no ${meter.customerKey}.`, {
      code: 'meter_event_no_customer_defined',
      param: 'payload',
    });
  }
  if (!world.hasCustomer(customer)) {
    return invalid(`No such customer: '${customer}'`, {
      code: 'meter_event_customer_not_found',
      param: `payload[${meter.customerKey}]`,
    });
  }
  const amount = judgeValue(payload[meter.valueKey], meter);
  if ('status' in amount) return amount;
  const timestampS = request.timestampS ?? nowS;
  if (timestampS < nowS - daysBack * daySeconds) {
    return invalid('The timestamp is more than 35 days in the past.', {
      code: 'timestamp_too_far_in_past',
      param: 'timestamp',
    });
  }
  if (timestampS > nowS + aheadSeconds) {
    return invalid('The timestamp is more than 5 minutes in the future.', {
      code: 'timestamp_in_future',
      param: 'timestamp',
    });
  }
  return { meter, customer, amount, timestampS };
}

function judgeValue(text: string | undefined, meter: Meter): Amount | Answer {
  const param = `payload[${meter.valueKey}]`;
  if (text === undefined) {
    // A count meter counts events: it does not look at a value.
    if (meter.formula === 'count') return zero;
    return invalid(`The payload has no ${meter.valueKey}.`, { code: 'meter_event_invalid_value', param });
  }
  const amount = parseAmount(text);
  if (amount === undefined)
    return invalid(`Not a decimal number: ${param}`, { code: 'meter_event_invalid_value', param });
  if (digitsOf(text) > digitsMax) {
    return invalid(`${param} has more than ${digitsMax} significant digits.`, {
      code: 'meter_event_value_too_many_digits',
      param,
    });
  }
  return amount;
}
