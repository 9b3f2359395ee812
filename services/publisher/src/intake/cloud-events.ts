import { hash } from 'node:crypto';
import { EventFault, shown } from '../../../../shared/event/event-fault.ts';
import { type ExactParser, exactParser } from '../../../../shared/event/exact-json.ts';
import { isRecord, type UnknownRecord } from '../../../../shared/event/fields.ts';
import { textFault } from '../../../../shared/event/text.ts';
import { timestampForms } from '../../../../shared/event/timestamp.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import { validateEvent, type Validation } from '../../../../shared/event/validate.ts';
import { MissingValue } from '../../../../shared/event/value.ts';
import type { Format } from './item.ts';
import { checkCount, parseBody } from './json.ts';
import { RequestFault } from './request-fault.ts';

export const attributeCharsMax = 500;
export const defaultValuePlace = 'data.value';
/** The place that says that every event counts 1, whatever its data. */
export const countsOne = '1';

/** What a field of ours is called in a CloudEvent, so that a message names what was sent. */
const attributes: Readonly<Record<string, string>> = { customer: 'subject', meter: 'type', timestamp: 'time' };

export interface CloudEventFormats {
  /** `application/cloudevents+json`: one CloudEvent. */
  readonly one: Format;
  /** `application/cloudevents-batch+json`: an array of CloudEvents. */
  readonly batch: Format;
  /** Reads data as these formats do. */
  readonly parse: ExactParser;
}

/**
 * CloudEvents 1.0 in structured mode (ARCHITECTURE.md 3.1): `subject` = customer, `type` = meter, `time` = timestamp, and the value where
 * `valuePlace` says: `data.value`, `data.usage.tokens`, or `1`. Everything else is ignored.
 */
export function cloudEventFormats(valuePlace: string = defaultValuePlace): CloudEventFormats {
  const path = valuePlace === countsOne ? undefined : valuePlace.split('.').slice(1);
  const parse = exactParser(path?.at(-1) ?? 'value');

  function validate(input: unknown, validation: Validation): UsageEvent | EventFault {
    if (!isRecord(input)) return new EventFault('not_an_object', 'event', shown(input), 'a CloudEvent in JSON');
    if (input['specversion'] !== '1.0')
      return new EventFault('specversion_invalid', 'specversion', shown(input['specversion']), '"1.0"');
    const id = identityOf(input);
    if (id instanceof EventFault) return id;
    const value = valueOf(input, path);
    if (value instanceof EventFault) return value;
    const time = input['time'];
    if (time !== undefined && typeof time !== 'string')
      return new EventFault('timestamp_invalid', 'time', shown(time), timestampForms.rfc3339);
    const usage = { id, customer: input['subject'], meter: input['type'], value, timestamp: time };
    const event = validateEvent(usage, validation);
    return event instanceof EventFault ? inTermsOf(event, valuePlace) : event;
  }

  return {
    one: {
      read(text, eventsMax) {
        const body = parseBody(text, eventsMax, parse);
        if (isRecord(body)) return [body];
        throw new RequestFault('malformed_json', 'The body is JSON, but not an object: it must be one CloudEvent.');
      },
      validate,
    },
    batch: {
      read(text, eventsMax) {
        const body = parseBody(text, eventsMax, parse);
        if (Array.isArray(body)) return checkCount(body, eventsMax);
        throw new RequestFault(
          'malformed_json',
          'The body is JSON, but not an array: it must be a batch of CloudEvents.',
        );
      },
      validate,
    },
    parse,
  };
}

function inTermsOf(fault: EventFault, valuePlace: string): EventFault {
  if (fault.code === 'value_missing')
    return fault.about(valuePlace, 'a number there, or where TALLYMAN_CLOUDEVENTS_VALUE says, such as data.tokens');
  if (fault.field === 'value') return fault.about(valuePlace);
  if (fault.field === 'timestamp') return fault.about('time', timestampForms.rfc3339);
  return fault.about(attributes[fault.field] ?? fault.field);
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

/** Undefined: the default, where there are no data at all. Data without the value are refused: 1 in its place would be billed. */
function valueOf({ data, data_base64: binary }: UnknownRecord, path: readonly string[] | undefined): unknown {
  if (binary !== undefined) return new EventFault('data_invalid', 'data', 'data_base64', 'a JSON object');
  if (data === undefined || data === null) return undefined;
  if (!isRecord(data)) return new EventFault('data_invalid', 'data', shown(data), 'a JSON object');
  if (path === undefined) return undefined;
  let value: unknown = data;
  for (const [depth, name] of path.entries()) {
    const within = value;
    value = isRecord(within) && Object.hasOwn(within, name) ? within[name] : undefined;
    if (value === undefined) return new MissingValue(['data', ...path.slice(0, depth)].join('.'), within);
  }
  return value;
}
