import { hash } from 'node:crypto';
import { EventFault, shown } from '../../../../shared/event/event-fault.ts';
import { isRecord, type UnknownRecord } from '../../../../shared/event/fields.ts';
import { textFault } from '../../../../shared/event/text.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import { validateEvent, type Validation } from '../../../../shared/event/validate.ts';
import type { Format } from './item.ts';
import { checkCount, parseBody } from './json.ts';
import { RequestFault } from './request-fault.ts';

const attributeCharsMax = 500;

/** What a field of ours is called in a CloudEvent, so that a message names what was sent. */
const attributes: Readonly<Record<string, string>> = {
  customer: 'subject',
  meter: 'type',
  timestamp: 'time',
  value: 'data.value',
};

/**
 * CloudEvents 1.0 in structured mode (design 3.1): `subject` = customer, `type` = meter, `time` = timestamp,
 * `data.value` = value. Everything else is ignored.
 */
function validate(input: unknown, validation: Validation): UsageEvent | EventFault {
  if (!isRecord(input)) return new EventFault('not_an_object', 'event', shown(input), 'a CloudEvent in JSON');
  if (input['specversion'] !== '1.0')
    return new EventFault('specversion_invalid', 'specversion', shown(input['specversion']), '"1.0"');
  const id = identityOf(input);
  if (id instanceof EventFault) return id;
  const value = valueOf(input);
  if (value instanceof EventFault) return value;
  const time = input['time'];
  if (time !== undefined && typeof time !== 'string')
    return new EventFault('timestamp_invalid', 'time', shown(time), 'an RFC 3339 string');
  const event = validateEvent(
    { id, customer: input['subject'], meter: input['type'], value, timestamp: time },
    validation,
  );
  return event instanceof EventFault ? event.about(attributes[event.field] ?? event.field) : event;
}

/**
 * CloudEvents are the same if `source` and `id` are (CloudEvents 1.0, "id"). The two together may be longer than an id of ours,
 * so it is their SHA-256 in hexadecimal, over `source NUL id` in UTF-8; neither can contain NUL.
 */
function identityOf(input: UnknownRecord): string | EventFault {
  const source = readAttribute(input, 'source', 'source_invalid');
  if (source instanceof EventFault) return source;
  const id = readAttribute(input, 'id', 'id_invalid');
  return id instanceof EventFault ? id : hash('sha256', `${source}\0${id}`);
}

function readAttribute(input: UnknownRecord, name: string, code: 'source_invalid' | 'id_invalid'): string | EventFault {
  const text = input[name];
  if (typeof text === 'string' && text !== '' && text.length <= attributeCharsMax && textFault(text) === undefined)
    return text;
  const mayBe = `a string of 1 to ${attributeCharsMax} characters without control characters and lone surrogates`;
  return new EventFault(code, name, shown(text), mayBe);
}

/** Undefined: the default. Data that is no object has no value, and a default in its place would bill something else. */
function valueOf(input: UnknownRecord): unknown {
  const { data } = input;
  if (data === undefined && input['data_base64'] === undefined) return undefined;
  return isRecord(data)
    ? data['value']
    : new EventFault('data_invalid', 'data', data === undefined ? 'data_base64' : shown(data), 'a JSON object');
}

/** `application/cloudevents+json`: one CloudEvent. */
export const cloudEvent: Format = {
  read(text, eventsMax) {
    const body = parseBody(text, eventsMax);
    if (isRecord(body)) return [body];
    throw new RequestFault('malformed_json', 'The body is JSON, but not an object: it may be one CloudEvent.');
  },
  validate,
};

/** `application/cloudevents-batch+json`: an array of CloudEvents. */
export const cloudEventBatch: Format = {
  read(text, eventsMax) {
    const body = parseBody(text, eventsMax);
    if (Array.isArray(body)) return checkCount(body, eventsMax);
    throw new RequestFault('malformed_json', 'The body is JSON, but not an array: it may be a batch of CloudEvents.');
  },
  validate,
};
