import type { IncomingHttpHeaders } from 'node:http';
import { cloudEvent, cloudEventBatch } from './cloud-events.ts';
import type { Format } from './item.ts';
import { json } from './json.ts';
import { ndjson } from './ndjson.ts';
import { RequestFault } from './request-fault.ts';

const formats: ReadonlyMap<string, Format> = new Map([
  ['application/json', json],
  ['application/x-ndjson', ndjson],
  ['application/cloudevents+json', cloudEvent],
  ['application/cloudevents-batch+json', cloudEventBatch],
]);

/** The format that the headers announce. */
export function formatOf(headers: IncomingHttpHeaders): Format {
  const contentType = headers['content-type'] ?? '';
  // The usual case, without looking for parameters.
  const format = formats.get(contentType) ?? formats.get(mediaTypeOf(contentType));
  if (format === undefined) {
    throw new RequestFault(
      'unsupported_media_type',
      `Content-Type is ${JSON.stringify(contentType)}. It may be ${[...formats.keys()].join(', ')}.`,
    );
  }
  checkCharset(contentType);
  return format;
}

/** Without parameters, in lower case. */
export function mediaTypeOf(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

export function checkCharset(contentType: string): void {
  const charset = contentType.includes(';')
    ? /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1]?.toLowerCase()
    : undefined;
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8') return;
  throw new RequestFault('unsupported_encoding', `The character set is ${JSON.stringify(charset)}. It may be UTF-8.`);
}

/** Whether the body is gzip. */
export function isCompressed(headers: IncomingHttpHeaders): boolean {
  const encoding = headers['content-encoding'];
  if (encoding === undefined) return false;
  const name = encoding.trim().toLowerCase();
  if (name === 'gzip' || name === 'x-gzip') return true;
  if (name === 'identity') return false;
  throw new RequestFault(
    'unsupported_encoding',
    `Content-Encoding is ${JSON.stringify(encoding)}. It may be gzip, or absent.`,
  );
}
