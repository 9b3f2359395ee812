/** Requests whose head is nonsense, and those that two parsers could read as different ones. */
export interface RawNonsense {
  readonly name: string;
  /** Undefined: it is hung up on without a word. */
  readonly status: number | undefined;
  readonly raw: string;
  /** The client ends its half of the connection. */
  readonly ends?: true;
}

const event = JSON.stringify({ id: 'smuggled', customer: 'cus_smuggled', meter: 'tokens' });
const length = `Content-Length: ${event.length}\r\n`;
const head = 'POST /v1/events HTTP/1.1\r\nHost: sidecar\r\nContent-Type: application/json\r\n';
const close = 'Connection: close\r\n';
/** What would be taken for a request of its own, if the one before it ended earlier than it does. */
const smuggled = `${head}${length}${close}\r\n${event}`;
const chunked = `0\r\n\r\n`;

export const smuggling: readonly RawNonsense[] = [
  {
    name: 'a length beside chunks',
    status: 400,
    raw: `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}${smuggled}`,
  },
  {
    name: 'chunks beside a length',
    status: 400,
    raw: `${head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${chunked}${smuggled}`,
  },
  { name: 'two lengths', status: 400, raw: `${head}Content-Length: 0\r\n${length}\r\n${smuggled}` },
  { name: 'two equal lengths', status: 400, raw: `${head}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${smuggled}` },
  { name: 'a list of lengths', status: 400, raw: `${head}Content-Length: 0, 0\r\n\r\n${smuggled}` },
  { name: 'a length with a sign', status: 400, raw: `${head}Content-Length: +0\r\n\r\n${smuggled}` },
  { name: 'a negative length', status: 400, raw: `${head}Content-Length: -1\r\n\r\n${smuggled}` },
  { name: 'a hexadecimal length', status: 400, raw: `${head}Content-Length: 0x0\r\n\r\n${smuggled}` },
  {
    name: 'a length of twenty digits',
    status: 400,
    raw: `${head}Content-Length: 99999999999999999999\r\n\r\n${smuggled}`,
  },
  {
    name: 'chunks that are not the last encoding',
    status: 400,
    raw: `${head}Transfer-Encoding: chunked, identity\r\n\r\n${chunked}${smuggled}`,
  },
  { name: 'a misspelt encoding', status: 400, raw: `${head}Transfer-Encoding: xchunked\r\n\r\n${chunked}${smuggled}` },
  {
    name: 'two encodings',
    status: 400,
    raw: `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n${chunked}${smuggled}`,
  },
  {
    name: 'a blank before the colon',
    status: 400,
    raw: `${head}Transfer-Encoding : chunked\r\n\r\n${chunked}${smuggled}`,
  },
  {
    name: 'a folded header',
    status: 400,
    raw: `${head}Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n${chunked}${smuggled}`,
  },
  { name: 'a chunk of no size', status: 400, raw: `${head}Transfer-Encoding: chunked\r\n\r\n\r\n${smuggled}` },
  { name: 'a negative chunk', status: 400, raw: `${head}Transfer-Encoding: chunked\r\n\r\n-1\r\n${smuggled}` },
  {
    name: 'a chunk whose size overflows',
    status: 400,
    raw: `${head}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n${smuggled}`,
  },
  { name: 'a chunk without its end', status: 400, raw: `${head}Transfer-Encoding: chunked\r\n\r\n1\r\nxx${smuggled}` },
  { name: 'lines that end without CR', status: 400, raw: smuggled.replaceAll('\r\n', '\n') },
  { name: 'lines that end without LF', status: 400, raw: smuggled.replaceAll('\r\n', '\r') },
  { name: 'a NUL in a header', status: 400, raw: `${head}X: a\0b\r\n${length}\r\n${event}` },
  { name: 'a header without a name', status: 400, raw: `${head}: x\r\n${length}\r\n${event}` },
];

export const heads: readonly RawNonsense[] = [
  { name: 'no host', status: 400, raw: `POST /v1/events HTTP/1.1\r\n${length}${close}\r\n${event}` },
  { name: 'another protocol', status: 400, raw: 'SSH-2.0-OpenSSH_9.2\r\n' },
  { name: 'TLS', status: 400, raw: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  { name: 'HTTP/2', status: 400, raw: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { name: 'HTTP/0.9', status: 405, raw: 'GET /v1/events\r\n\r\n' },
  { name: 'HTTP/9.9', status: 400, raw: smuggled.replace('HTTP/1.1', 'HTTP/9.9') },
  { name: 'an unknown method', status: 400, raw: smuggled.replace('POST', 'PUBLISH') },
  { name: 'a method in small letters', status: 400, raw: smuggled.replace('POST', 'post') },
  { name: 'a blank in the path', status: 400, raw: smuggled.replace('/v1/events', '/v1 /events') },
  { name: 'a head of 20 KB', status: 431, raw: `${head}X: ${'x'.repeat(20_000)}\r\n${close}\r\n` },
  { name: 'five thousand headers', status: 431, raw: `${head}${'X: y\r\n'.repeat(5_000)}${close}\r\n` },
  { name: 'a path of 20 KB', status: 431, raw: smuggled.replace('/v1/events', `/v1/${'e'.repeat(20_000)}`) },
  { name: 'an expectation that nobody has', status: 417, raw: smuggled.replace(close, `${close}Expect: coffee\r\n`) },
  { name: 'CONNECT', status: undefined, raw: `CONNECT sidecar:443 HTTP/1.1\r\nHost: sidecar\r\n\r\n` },
  { name: 'a whole address of no host', status: 400, raw: smuggled.replace('/v1/events', 'http:///v1/events') },
  {
    name: 'a whole address for a path, with dots',
    status: 400,
    raw: smuggled.replace('/v1/events', 'http://a/x/../v1/events'),
  },
  { name: 'a path with dots', status: 400, raw: smuggled.replace('/v1/events', '/x/../v1/events') },
  { name: 'a path with dots behind v1', status: 404, raw: smuggled.replace('/v1/events', '/v1/x/../events') },
  { name: 'two slashes', status: 400, raw: smuggled.replace('/v1/events', '//v1/events') },
  { name: 'a slash too much', status: 404, raw: smuggled.replace('/v1/events', '/v1/events/') },
  { name: 'GET', status: 405, raw: smuggled.replace('POST', 'GET') },
  { name: 'PUT', status: 405, raw: smuggled.replace('POST', 'PUT') },
  { name: 'TRACE', status: 405, raw: smuggled.replace('POST', 'TRACE') },
  { name: 'half a request, and the end', status: 400, raw: smuggled.slice(0, -10), ends: true },
];
