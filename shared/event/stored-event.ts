import { EventFault, shown } from './event-fault.ts';
import {
  type EventDraft,
  isRecord,
  isUnixSeconds,
  readCustomer,
  readId,
  readMeter,
  readOptionalFields,
  type UnknownRecord,
} from './fields.ts';
import { cutToMs } from './timestamp.ts';
import { unknownField } from './unknown-field.ts';
import type { UsageEvent } from './usage-event.ts';
import { readValue } from './value.ts';

const eventFields: ReadonlySet<string> = new Set(
  'id idGenerated customer meter value timestamp dimensions account'.split(' '),
);

/** One event as it stands in a message's `events`. Takes only what `validateEvent` gave: nothing is checked again. */
export function encodeEvent(event: UsageEvent): string {
  let text = `{"id":${quoted(event.id)}`;
  if (event.idGenerated === true) text += ',"idGenerated":true';
  text += `,"customer":${quoted(event.customer)},"meter":${quoted(event.meter)},"value":"${event.value}","timestamp":${event.timestamp}`;
  if (event.dimensions !== undefined) text += `,"dimensions":${JSON.stringify(event.dimensions)}`;
  if (event.account !== undefined) text += `,"account":${quoted(event.account)}`;
  return `${text}}`;
}

/** One element of a message's `events`, checked as strictly as an application's event, but complete and without bounds of time. */
export function decodeEvent(input: unknown): UsageEvent | EventFault {
  if (!isRecord(input)) return new EventFault('not_an_object', 'event', shown(input), 'an object');
  const unknown = findUnknownField(input);
  if (unknown !== undefined) return unknown;
  const id = readId(input['id']);
  if (id instanceof EventFault) return id;
  const customer = readCustomer(input['customer']);
  if (customer instanceof EventFault) return customer;
  const meter = readMeter(input['meter']);
  if (meter instanceof EventFault) return meter;
  const value = input['value'];
  if (typeof value !== 'string') return new EventFault('value_invalid', 'value', shown(value), 'a decimal as a string');
  const exactValue = readValue(value);
  if (exactValue instanceof EventFault) return exactValue;
  const timestamp = input['timestamp'];
  if (!isUnixSeconds(timestamp))
    return new EventFault('timestamp_invalid', 'timestamp', shown(timestamp), 'unix seconds');

  const event: EventDraft = { id, customer, meter, value: exactValue, timestamp: cutToMs(timestamp) / 1000 };
  if (input['idGenerated'] !== undefined) {
    if (input['idGenerated'] !== true) {
      return new EventFault('id_invalid', 'idGenerated', shown(input['idGenerated']), 'true or absent');
    }
    event.idGenerated = true;
  }
  return readOptionalFields(input, event) ?? event;
}

function findUnknownField(input: UnknownRecord): EventFault | undefined {
  for (const field in input) {
    if (!eventFields.has(field)) {
      return unknownField(field, input[field], [...eventFields]);
    }
  }
  return undefined;
}

/** A JSON string. Only these two characters need an escape, once control characters and lone surrogates are excluded. */
function quoted(text: string): string {
  // indexOf, not includes: it takes half the time on short strings, and there are three in every event.
  return text.indexOf('"') >= 0 || text.indexOf('\\') >= 0 ? JSON.stringify(text) : `"${text}"`;
}
