import type { IncomingHttpHeaders } from 'node:http';
import type { Format } from './item.ts';
import { readJson } from './json.ts';
import { readNdjson } from './ndjson.ts';
import { RequestFault } from './request-fault.ts';

const formats: ReadonlyMap<string, Format> = new Map([
  ['application/json', readJson],
  ['application/x-ndjson', readNdjson],
]);

const taken = `The body may be ${[...formats.keys()].join(' or ')}, in UTF-8 and not compressed`;

/** The format that the headers announce. */
export function formatOf(headers: IncomingHttpHeaders): Format {
  const contentType = headers['content-type'] ?? '';
  // The usual case, without looking for parameters.
  const format = formats.get(contentType) ?? formats.get(mediaType(contentType));
  if (format === undefined) {
    throw new RequestFault('unsupported_media_type', `Content-Type is ${JSON.stringify(contentType)}. ${taken}.`);
  }
  const charset = contentType.includes(';') ? charsetOf(contentType) : undefined;
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw new RequestFault('unsupported_encoding', `The character set is ${JSON.stringify(charset)}. ${taken}.`);
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new RequestFault('unsupported_encoding', `Content-Encoding is ${JSON.stringify(encoding)}. ${taken}.`);
  }
  return format;
}

function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

function charsetOf(contentType: string): string | undefined {
  return /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1]?.toLowerCase();
}
