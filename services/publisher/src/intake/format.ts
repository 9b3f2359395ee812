import type { IncomingMessage } from 'node:http';
import { binaryCloudEvent, isBinaryCloudEvent } from './binary-cloud-event.ts';
import { cloudEventFormats } from './cloud-events.ts';
import type { Format } from './item.ts';
import { json } from './json.ts';
import { checkCharset, mediaTypeOf } from './media-type.ts';
import { ndjson } from './ndjson.ts';
import { RequestFault } from './request-fault.ts';

/** Chooses the format that a request announces. Throws a `RequestFault` if there is none. */
export type FormatChooser = (request: Pick<IncomingMessage, 'headers' | 'headersDistinct'>) => Format;

/** `cloudEventsValue`: where CloudEvents have their value. */
export function formatChooser(cloudEventsValue?: string): FormatChooser {
  const cloudEvents = cloudEventFormats(cloudEventsValue);
  const formats: ReadonlyMap<string, Format> = new Map([
    ['application/json', json],
    ['application/x-ndjson', ndjson],
    ['application/ndjson', ndjson],
    ['application/cloudevents+json', cloudEvents.one],
    ['application/cloudevents-batch+json', cloudEvents.batch],
  ]);
  return (request) => {
    const { headers } = request;
    if (isBinaryCloudEvent(headers)) return binaryCloudEvent(request, cloudEvents);
    const contentType = headers['content-type'] ?? '';
    // The usual case, without looking for parameters.
    const format = formats.get(contentType) ?? formats.get(mediaTypeOf(contentType));
    if (format === undefined) {
      throw new RequestFault(
        'unsupported_media_type',
        `Content-Type is ${JSON.stringify(contentType)}. It must be ${[...formats.keys()].join(', ')}.`,
      );
    }
    checkCharset(contentType);
    return format;
  };
}
