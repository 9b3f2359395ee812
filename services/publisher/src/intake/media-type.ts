import { RequestFault } from './request-fault.ts';

/** Without parameters, in lower case. */
export function mediaTypeOf(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

export function checkCharset(contentType: string): void {
  const charset = contentType.includes(';')
    ? /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1]?.toLowerCase()
    : undefined;
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8') return;
  throw new RequestFault('unsupported_encoding', `The character set is ${JSON.stringify(charset)}. It must be UTF-8.`);
}
