import { isRecord } from '../../../../../shared/event/fields.ts';
import { shown } from '../../../../../shared/event/event-fault.ts';
import { cutToMs } from '../../../../../shared/event/timestamp.ts';
import { didYouMean } from '../../../../../shared/event/unknown-field.ts';
import { checkCharset, mediaTypeOf } from '../media-type.ts';
import { parseBody } from '../json.ts';
import type { MeterEvent } from './meter-event.ts';
import type { MeterEventVersion } from './meter-event-endpoint.ts';
import { refusal, type StripeRefusal } from './refusal.ts';

const names: readonly string[] = ['event_name', 'identifier', 'timestamp', 'payload'];

/** `POST /v2/billing/meter_events`: JSON, times in RFC 3339. */
export const v2: MeterEventVersion = {
  name: 'v2',
  path: '/v2/billing/meter_events',
  checkType: checkJson,
  read: (text) => readMeterEvent(parseObject(text, 1), ''),
  success: (event, { payload }, created, livemode) => ({
    object: 'v2.billing.meter_event',
    created: new Date(created).toISOString(),
    event_name: event.meter,
    identifier: event.id,
    livemode,
    payload,
    timestamp: new Date(cutToMs(event.timestamp)).toISOString(),
  }),
  duplicate: (identifier) =>
    refusal('duplicate_meter_event', `An event already exists with identifier ${identifier}.`, 'identifier'),
};

export function checkJson(contentType: string): void {
  if (mediaTypeOf(contentType) !== 'application/json')
    throw invalid(`Content-Type is ${JSON.stringify(contentType)}; requests to /v2 are application/json.`);
  checkCharset(contentType);
}

/** The body, which is one JSON object. */
export function parseObject(text: string, eventsMax: number): Readonly<Record<string, unknown>> {
  const body = parseBody(text, eventsMax);
  if (isRecord(body)) return body;
  throw invalid(`The body is ${shown(body)}; it must be a JSON object.`);
}

/** `where`: the place of the event in the body, for messages, such as `events[3].`. */
export function readMeterEvent(body: unknown, where: string): MeterEvent {
  if (!isRecord(body)) throw invalid(`${where}: got ${shown(body)}; it must be an object.`);
  for (const name of Object.keys(body)) {
    if (!names.includes(name))
      throw invalid(`${where}${shown(name)} is not a field of a meter event${didYouMean(name, names)}.`);
  }
  const { event_name: eventName, identifier, timestamp, payload } = body;
  if (eventName === undefined) throw invalid(`${where}event_name is missing.`, 'event_name');
  if (timestamp !== undefined && typeof timestamp !== 'string')
    throw invalid(`${where}timestamp: got ${shown(timestamp)}; it must be an RFC 3339 string.`, 'timestamp');
  return { eventName, identifier, timestamp, payload: readPayload(payload, where) };
}

function readPayload(payload: unknown, where: string): Readonly<Record<string, string>> {
  if (!isRecord(payload))
    throw invalid(`${where}payload: got ${shown(payload)}; it must be a map of strings.`, 'payload');
  for (const [key, text] of Object.entries(payload)) {
    if (typeof text !== 'string')
      throw invalid(`${where}payload[${shown(key)}]: got ${shown(text)}; it must be a string.`, 'payload');
  }
  return payload as Readonly<Record<string, string>>;
}

export function invalid(message: string, param?: string): StripeRefusal {
  return refusal('invalid_fields', message, param);
}
