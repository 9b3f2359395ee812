import { gzipSync } from 'node:zlib';
import type { Post } from './raw-http.ts';

/** What is sent, and what must come of it. `code` of an event: the codes of all that were rejected; of a request: that of `error`. */
export interface Nonsense extends Post {
  readonly name: string;
  readonly status: number;
  readonly events?: readonly string[];
  readonly error?: string;
  /** How many were accepted all the same. */
  readonly accepted?: number;
}

const event = { id: 'n', customer: 'cus_nonsense', meter: 'tokens' };
const json = (more: object): string => JSON.stringify({ ...event, ...more });
/** An event with one field as it is written here. */
const written = (field: string, text: string): string =>
  `{"id":"n","customer":"cus_nonsense","meter":"tokens","${field}":${text}}`;

const one = (name: string, code: string, body: string | Buffer, headers: Post['headers'] = {}): Nonsense => ({
  name,
  body,
  status: 400,
  events: [code],
  headers,
});
const whole = (
  name: string,
  status: number,
  error: string,
  body: string | Buffer,
  headers: Post['headers'] = {},
): Nonsense => ({
  name,
  status,
  error,
  body,
  headers,
});
const odd = (name: string, body: string, headers: Post['headers'] = {}): Nonsense => ({
  name,
  body,
  status: 202,
  accepted: 1,
  events: [],
  headers,
});

const cloud = { specversion: '1.0', id: 'c', source: '/s', type: 'tokens', subject: 'cus_nonsense' };
const cloudType = { 'content-type': 'application/cloudevents+json' };
const batchType = { 'content-type': 'application/cloudevents-batch+json' };
const ndjsonType = { 'content-type': 'application/x-ndjson' };
const gzip = { 'content-encoding': 'gzip' };
const packed = gzipSync(json({}));

/** Requests whose body or event is nonsense. */
export const bodies: readonly Nonsense[] = [
  whole('nothing', 400, 'no_events', ''),
  whole('blanks', 400, 'no_events', ' \r\n\t '),
  whole('a bracket', 400, 'malformed_json', '{'),
  whole('words', 400, 'malformed_json', 'please count this'),
  whole('null', 400, 'malformed_json', 'null'),
  whole('a number', 400, 'malformed_json', '7'),
  whole('a string', 400, 'malformed_json', '"event"'),
  whole('no events', 400, 'no_events', '[]'),
  whole('a comma too much', 400, 'malformed_json', `[${json({})},]`),
  whole('two events without an array', 400, 'malformed_json', `${json({})}${json({})}`),
  whole('single quotes', 400, 'malformed_json', "{'customer':'c'}"),
  whole('a comment', 400, 'malformed_json', `/* ${json({})} */`),
  whole('NaN', 400, 'malformed_json', written('value', 'NaN')),
  whole('Infinity', 400, 'malformed_json', written('value', '-Infinity')),
  whole('a hexadecimal number', 400, 'malformed_json', written('value', '0x10')),
  whole('a number with a leading zero', 400, 'malformed_json', written('value', '012')),
  whole('a raw line break in a string', 400, 'malformed_json', written('id', '"a\nb"')),
  whole('two byte order marks', 400, 'malformed_json', `\ufeff\ufeff${json({})}`),
  whole('a NUL', 400, 'malformed_json', `${json({})}\0`),
  whole('latin1', 400, 'not_utf8', Buffer.from(json({ customer: 'Zoë' }), 'latin1')),
  whole('UTF-16', 400, 'not_utf8', Buffer.from(`\ufeff${json({})}`, 'utf16le')),
  whole('an overlong NUL', 400, 'not_utf8', Buffer.from([0x22, 0xc0, 0x80, 0x22])),
  whole('a surrogate in UTF-8', 400, 'not_utf8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])),
  whole('half a character', 400, 'not_utf8', Buffer.from([0x22, 0xe2, 0x82])),
  {
    name: 'an array of anything',
    status: 400,
    body: '[null,7,"x",[],true]',
    events: Array<string>(5).fill('not_an_object'),
  },
  one('an empty event', 'customer_missing', '{}'),
  one('a field too much', 'unknown_field', json({ colour: 'red' })),
  one('a misspelt field', 'unknown_field', json({ Value: 2 })),
  one('__proto__', 'unknown_field', written('__proto__', '{"customer":"c","meter":"m"}')),
  one('constructor', 'unknown_field', written('constructor', '{"prototype":{}}')),
  one('only __proto__', 'unknown_field', '{"__proto__":{"customer":"c","meter":"m"}}'),
  one('an empty id', 'id_invalid', json({ id: '' })),
  one('a long id', 'id_invalid', json({ id: 'x'.repeat(101) })),
  one('a number for an id', 'id_invalid', json({ id: 17 })),
  one('a NUL in an id', 'id_invalid', json({ id: 'a\0b' })),
  one('a line break in an id', 'id_invalid', json({ id: 'a\r\nb' })),
  one('a lone high surrogate', 'id_invalid', written('id', '"\\ud83d"')),
  one('a lone low surrogate', 'customer_invalid', written('customer', '"\\ude00"')),
  one('surrogates the wrong way round', 'meter_invalid', written('meter', '"\\ude00\\ud83d"')),
  one('DEL', 'customer_invalid', json({ customer: 'a\u007f' })),
  one('a C1 control', 'customer_invalid', json({ customer: 'a\u0085' })),
  one('no customer', 'customer_missing', '{"meter":"m"}'),
  one('a customer of null', 'customer_invalid', json({ customer: null })),
  one('a list of customers', 'customer_invalid', json({ customer: ['a', 'b'] })),
  one('a long customer', 'customer_invalid', json({ customer: 'c'.repeat(256) })),
  one('no meter', 'meter_missing', '{"customer":"c"}'),
  one('a meter of true', 'meter_invalid', json({ meter: true })),
  one('a long meter', 'meter_invalid', json({ meter: 'm'.repeat(101) })),
  one('a value of words', 'value_invalid', json({ value: 'ten' })),
  one('a value of nothing', 'value_invalid', json({ value: '' })),
  one('a value of null', 'value_invalid', json({ value: null })),
  one('a value of true', 'value_invalid', json({ value: true })),
  one('a value in an object', 'value_invalid', json({ value: { value: 1 } })),
  one('an exponent in a string', 'value_invalid', json({ value: '1e3' })),
  one('a plus', 'value_invalid', json({ value: '+1' })),
  one('a leading zero in a string', 'value_invalid', json({ value: '01' })),
  one('no digit before the point', 'value_invalid', json({ value: '.5' })),
  one('no digit behind the point', 'value_invalid', json({ value: '5.' })),
  one('a comma for a point', 'value_invalid', json({ value: '1,5' })),
  one('a blank before a number', 'value_invalid', json({ value: ' 1' })),
  one('digits of another script', 'value_invalid', json({ value: '١٢' })),
  one('1e400', 'value_too_many_digits', written('value', '1e400')),
  one('-1e400', 'value_too_many_digits', written('value', '-1e400')),
  one('1e-400', 'value_invalid', written('value', '1e-400')),
  one('16 digits', 'value_too_many_digits', written('value', '1234567890123456')),
  one('16 digits in a string', 'value_too_many_digits', json({ value: '0.1234567890123456' })),
  one('digits that a double drops', 'value_too_many_digits', written('value', '0.1000000000000000055')),
  one(
    'digits that a double drops, behind an escaped key',
    'value_too_many_digits',
    written('v\\u0061lue', '0.1000000000000000055'),
  ),
  one('sixteen digits of zeros', 'value_too_many_digits', written('value', '1.000000000000000')),
  one('a million digits', 'value_too_many_digits', written('value', '1'.repeat(1_000_000))),
  one('a million digits in a string', 'value_too_many_digits', json({ value: '1'.repeat(1_000_000) })),
  one('a date of words', 'timestamp_invalid', json({ timestamp: 'yesterday' })),
  one('milliseconds', 'timestamp_invalid', json({ timestamp: Date.now() })),
  one('the 30th of February', 'timestamp_invalid', json({ timestamp: '2026-02-30T00:00:00Z' })),
  one('no zone', 'timestamp_invalid', json({ timestamp: '2026-11-22T09:30:00' })),
  one('a timestamp of null', 'timestamp_invalid', json({ timestamp: null })),
  one('a time before 1970', 'timestamp_too_old', json({ timestamp: -1 })),
  one('36 days ago', 'timestamp_too_old', json({ timestamp: Math.floor(Date.now() / 1000) - 36 * 86_400 })),
  one('ten minutes ahead', 'timestamp_in_future', json({ timestamp: Math.floor(Date.now() / 1000) + 600 })),
  one('a list of dimensions', 'dimensions_invalid', json({ dimensions: ['eu'] })),
  one('a number in the dimensions', 'dimensions_invalid', json({ dimensions: { seats: 5 } })),
  one('dimensions in dimensions', 'dimensions_invalid', json({ dimensions: { a: { b: 'c' } } })),
  one('an empty key', 'dimensions_invalid', json({ dimensions: { '': 'x' } })),
  one(
    '33 dimensions',
    'dimensions_invalid',
    json({ dimensions: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`d${at}`, 'x'])) }),
  ),
  one('a long dimension', 'dimensions_invalid', json({ dimensions: { a: 'x'.repeat(501) } })),
  one('a lone surrogate in a key', 'dimensions_invalid', written('dimensions', '{"\\ud800":"x"}')),
  one('an account with a header in it', 'account_invalid', json({ account: 'acct_1\r\nx: y' })),
  one('an account with a blank', 'account_invalid', json({ account: 'acct 1' })),
  one('deep nesting', 'unknown_field', written('a', `${'['.repeat(20_000)}${']'.repeat(20_000)}`)),
  one(
    'deep nesting beside a number to be looked at',
    'dimensions_invalid',
    `{"customer":"c","meter":"m","value":1e3,"dimensions":[[[[1]]]]}`,
  ),

  odd('a byte order mark', `\ufeff${json({ id: 'marked' })}`),
  one('a CloudEvent without a value', 'value_missing', JSON.stringify({ ...cloud, data: { Value: 7 } }), cloudType),
  one('a CloudEvent in binary mode without an id', 'id_invalid', '{"value":7}', {
    'ce-specversion': '1.0',
    'ce-source': '/',
  }),
  odd('negative zero', written('value', '-0')),
  odd('negative zero in a string', json({ id: 'negative zero', value: '-0.0' })),
  odd('a key that stands twice: the last counts', '{"id":"twice","customer":"c","meter":"m","value":"x","value":2}'),
  odd('a dimension called __proto__', '{"id":"proto","customer":"c","meter":"m","dimensions":{"__proto__":"x"}}'),
  odd('everything escaped', '{"\\u0069d":"\\u0065scaped","\\u0063ustomer":"c","\\u006deter":"m"}'),
  odd('characters beyond 16 bits', json({ id: '😀'.repeat(50) })),
  {
    name: 'a valid event among nonsense',
    status: 202,
    accepted: 1,
    body: `[7,${json({ id: 'among' })},{}]`,
    events: ['not_an_object', 'customer_missing'],
  },

  whole('only blank lines', 400, 'no_events', '\n\r\n \n', ndjsonType),
  {
    name: 'lines of nonsense',
    status: 400,
    body: '{\n7\n',
    events: ['not_json', 'not_an_object'],
    headers: ndjsonType,
  },
  whole('10,001 lines', 413, 'too_many_events', '{}\n'.repeat(10_001), ndjsonType),
  whole('100,000 events', 413, 'too_many_events', `[${`${json({})},`.repeat(99_999)}${json({})}]`),

  one(
    'a CloudEvent of another version',
    'specversion_invalid',
    JSON.stringify({ ...cloud, specversion: '0.3' }),
    cloudType,
  ),
  one('a CloudEvent without a source', 'source_invalid', JSON.stringify({ ...cloud, source: undefined }), cloudType),
  one(
    'a CloudEvent without a subject',
    'customer_missing',
    JSON.stringify({ ...cloud, subject: undefined }),
    cloudType,
  ),
  one('a CloudEvent of text', 'data_invalid', JSON.stringify({ ...cloud, data: 'ten' }), cloudType),
  one('a usage event as a CloudEvent', 'specversion_invalid', json({}), cloudType),
  one('a CloudEvent as a usage event', 'unknown_field', JSON.stringify(cloud)),
  whole('a batch as one CloudEvent', 400, 'malformed_json', '[]', cloudType),
  whole('one CloudEvent as a batch', 400, 'malformed_json', JSON.stringify(cloud), batchType),

  whole('no media type', 415, 'unsupported_media_type', json({}), { 'content-type': '' }),
  whole('text', 415, 'unsupported_media_type', json({}), { 'content-type': 'text/plain' }),
  whole('a form', 415, 'unsupported_media_type', 'customer=c', { 'content-type': 'application/x-www-form-urlencoded' }),
  whole('__proto__ for a media type', 415, 'unsupported_media_type', json({}), { 'content-type': '__proto__' }),
  whole('latin1 by its name', 415, 'unsupported_encoding', json({}), {
    'content-type': 'application/json; charset=latin1',
  }),
  whole('brotli that is none', 400, 'malformed_br', json({}), { 'content-encoding': 'br' }),
  whole('deflate that is none', 400, 'malformed_deflate', json({}), { 'content-encoding': 'deflate' }),
  whole('a NUL behind gzip', 400, 'malformed_gzip', Buffer.concat([packed, Buffer.alloc(1)]), gzip),
  whole('a member behind a NUL', 400, 'malformed_gzip', Buffer.concat([packed, Buffer.alloc(1), packed]), gzip),
  whole('zstd', 415, 'unsupported_encoding', json({}), { 'content-encoding': 'zstd' }),
  whole('gzip twice', 415, 'unsupported_encoding', packed, { 'content-encoding': 'gzip, gzip' }),
  whole('plain text called gzip', 400, 'malformed_gzip', json({}), gzip),
  whole('nothing called gzip', 400, 'malformed_gzip', '', gzip),
  whole('gzip that is cut off', 400, 'malformed_gzip', packed.subarray(0, packed.length - 12), gzip),
  whole('gzip without its last byte', 400, 'malformed_gzip', packed.subarray(0, packed.length - 1), gzip),
  whole('gzip with a wrong checksum', 400, 'malformed_gzip', corrupted(packed), gzip),
  whole('gzip and more', 400, 'malformed_gzip', Buffer.concat([packed, Buffer.from('more')]), gzip),
  whole('gzip in gzip', 400, 'not_utf8', gzipSync(packed), gzip),
];

function corrupted(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 6] = (copy[copy.length - 6] ?? 0) ^ 1;
  return copy;
}
