import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { EventFault, type EventFaultCode, shown } from '../../../../shared/event/event-fault.ts';
import type { CloudEventFormats } from './cloud-events.ts';
import type { Format } from './item.ts';
import { parseBody } from './json.ts';
import { checkCharset, mediaTypeOf } from './media-type.ts';

/** The attributes that are read, and the code of one that cannot be. */
const attributes: Readonly<Record<string, EventFaultCode>> = {
  specversion: 'specversion_invalid',
  source: 'source_invalid',
  id: 'id_invalid',
  type: 'meter_invalid',
  subject: 'customer_invalid',
  time: 'timestamp_invalid',
};

/** Whether the request is a CloudEvent in binary mode: its attributes are headers, and the body is not in a CloudEvents format. */
export function isBinaryCloudEvent(headers: IncomingHttpHeaders): boolean {
  const has = (name: string): boolean => headers[name] !== undefined;
  if (!(has('ce-id') || has('ce-specversion') || has('ce-source') || has('ce-type'))) return false;
  return !mediaTypeOf(headers['content-type'] ?? '').startsWith('application/cloudevents');
}

/**
 * One CloudEvent in binary mode (CloudEvents HTTP binding 1.0.2, section 3.1): the body is its data, of the type that Content-Type
 * says. It is validated as if it had come in structured mode, so that it is the same event however it is sent.
 */
export function binaryCloudEvent(
  { headers, headersDistinct }: Pick<IncomingMessage, 'headers' | 'headersDistinct'>,
  { one, parse }: CloudEventFormats,
): Format {
  const contentType = headers['content-type'] ?? '';
  return {
    read(text, eventsMax) {
      const event: Record<string, unknown> = {};
      for (const [name, code] of Object.entries(attributes)) {
        const [value, ...more] = headersDistinct[`ce-${name}`] ?? [];
        if (value === undefined) continue;
        const decoded = more.length === 0 ? decode(value) : undefined;
        // What stands in the place of the event: it is refused as this.
        if (decoded === undefined) return [undecodable(name, code, value, more.length)];
        event[name] = decoded;
      }
      if (text.trim() === '') return [event];
      if (!isJson(contentType)) {
        const got = `a body of ${shown(contentType)}`;
        return [new EventFault('data_invalid', 'data', got, 'JSON, of the type application/json')];
      }
      checkCharset(contentType);
      return [{ ...event, data: parseBody(text, eventsMax, parse) }];
    },
    validate(input, validation) {
      if (input instanceof EventFault) return input;
      const event = one.validate(input, validation);
      const isOfHeader = event instanceof EventFault && Object.hasOwn(attributes, event.field);
      return isOfHeader ? event.about(`ce-${event.field}`) : event;
    },
  };
}

function isJson(contentType: string): boolean {
  const type = mediaTypeOf(contentType);
  return type === 'application/json' || type === 'text/json' || type.endsWith('+json');
}

/** Section 3.1.3.2: quotes first, then one round of percent-decoding, which must give UTF-8. Undefined where it cannot be decoded. */
function decode(header: string): string | undefined {
  const text = /^".*"$/.test(header) ? header.slice(1, -1).replaceAll(/\\(.)/g, '$1') : header;
  // Node reads a header's bytes as latin1. Some clients send UTF-8 as it is.
  const bytes = Buffer.from(text, 'latin1');
  try {
    return isUtf8(bytes) ? decodeURIComponent(bytes.toString('utf8')) : undefined;
  } catch {
    // No percent-encoded UTF-8, which is all that it throws for.
    return undefined;
  }
}

function undecodable(name: string, code: EventFaultCode, value: string, more: number): EventFault {
  const got = more > 0 ? `${more + 1} headers` : `${shown(value)}, which is not percent-encoded UTF-8`;
  return new EventFault(code, `ce-${name}`, got, 'one header, percent-encoded where it is not printable ASCII');
}
