import { didYouMean } from '../../../../../shared/event/unknown-field.ts';
import { mediaTypeOf } from '../media-type.ts';
import { parseForm } from './form.ts';
import type { MeterEventVersion } from './meter-event-endpoint.ts';
import { refusal, StripeRefusal } from './refusal.ts';

const names: readonly string[] = ['event_name', 'identifier', 'timestamp'];

/** `POST /v1/billing/meter_events`: form-encoded, times in unix seconds. */
export const v1: MeterEventVersion = {
  name: 'v1',
  path: '/v1/billing/meter_events',
  checkType(contentType) {
    if (mediaTypeOf(contentType) === 'application/x-www-form-urlencoded') return;
    throw new StripeRefusal(
      `Content-Type is ${JSON.stringify(contentType)}; requests to /v1 are application/x-www-form-urlencoded.`,
    );
  },
  read(text) {
    const { fields, payload } = parseForm(text);
    for (const name of Object.keys(fields)) {
      if (!names.includes(name))
        throw refusal(
          'parameter_unknown',
          `Received unknown parameter: ${name.slice(0, 100)}${didYouMean(name, [...names, 'payload'])}`,
        );
    }
    if (fields['event_name'] === undefined)
      throw refusal('parameter_missing', 'Missing required param: event_name.', 'event_name');
    if (payload === undefined) throw refusal('parameter_missing', 'Missing required param: payload.', 'payload');
    const { event_name: eventName, identifier, timestamp } = fields;
    return { eventName, identifier, payload, timestamp: timestamp === undefined ? undefined : seconds(timestamp) };
  },
  success: (event, { payload }, created, livemode) => ({
    object: 'billing.meter_event',
    created: Math.floor(created / 1000),
    event_name: event.meter,
    identifier: event.id,
    livemode,
    payload,
    timestamp: Math.floor(event.timestamp),
  }),
  // Stripe sends no code with it: clients tell it by its message.
  duplicate: (identifier) => new StripeRefusal(`An event already exists with identifier ${identifier}.`),
};

function seconds(timestamp: string): number {
  if (/^\d{1,15}$/.test(timestamp)) return Number(timestamp);
  throw refusal('parameter_invalid_integer', `Invalid integer: ${timestamp.slice(0, 100)}`, 'timestamp');
}
