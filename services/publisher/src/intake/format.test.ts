import { describe, expect, it } from 'vitest';
import { formatOf } from './format.ts';
import { readJson } from './json.ts';
import { readNdjson } from './ndjson.ts';
import { RequestFault } from './request-fault.ts';

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof RequestFault) return error.code;
    throw error;
  }
  return 'taken';
}

describe('formatOf', () => {
  it.each([
    ['application/json', readJson],
    ['application/json; charset=utf-8', readJson],
    ['Application/JSON;charset="UTF-8"', readJson],
    ['application/x-ndjson', readNdjson],
    ['application/x-ndjson ; charset=utf8', readNdjson],
  ])('takes %s', (contentType, format) => {
    expect(formatOf({ 'content-type': contentType })).toBe(format);
  });

  it.each([
    undefined,
    '',
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'constructor',
    '__proto__',
  ])('refuses the media type %s and says what it takes', (contentType) => {
    const headers = contentType === undefined ? {} : { 'content-type': contentType };
    expect(codeOf(() => formatOf(headers))).toBe('unsupported_media_type');
    expect(() => formatOf(headers)).toThrow(/application\/json or application\/x-ndjson/);
  });

  it.each([
    { 'content-type': 'application/json; charset=iso-8859-1' },
    { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    { 'content-type': 'application/json', 'content-encoding': 'br' },
  ])('refuses the encoding of %j', (headers) => {
    expect(codeOf(() => formatOf(headers))).toBe('unsupported_encoding');
  });

  it('takes a body that is said to be as it is', () => {
    expect(formatOf({ 'content-type': 'application/json', 'content-encoding': 'Identity' })).toBe(readJson);
  });
});

describe('readJson', () => {
  it('reads one event, or an array of events', () => {
    expect(readJson(' {"a":1} ', 10)).toEqual([{ parsed: { a: 1 } }]);
    expect(readJson('[{"a":1},7]', 10)).toEqual([{ parsed: { a: 1 } }, { parsed: 7 }]);
  });

  it.each([
    ['no_events', ''],
    ['no_events', ' \n'],
    ['no_events', '[]'],
    ['malformed_json', '{'],
    ['malformed_json', '\ufeff{}'],
    ['malformed_json', 'null'],
    ['malformed_json', '"event"'],
    ['malformed_json', '7'],
    ['too_many_events', '[1,2,3]'],
  ])('refuses as %s: %j', (code, text) => {
    expect(codeOf(() => readJson(text, 2))).toBe(code);
  });
});

describe('readNdjson', () => {
  it('reads one event a line, skipping blank ones', () => {
    expect(readNdjson('{"a":1}\r\n\n  \n{"b":2}', 10)).toEqual([{ parsed: { a: 1 } }, { parsed: { b: 2 } }]);
    expect(readNdjson('{"a":1}\n', 1)).toHaveLength(1);
  });

  it('keeps a place for a line that is not JSON', () => {
    expect(readNdjson('{"a":1}\n{"a":\n1}', 10)).toEqual([
      { parsed: { a: 1 } },
      { unparsable: expect.stringMatching(/JSON/) as string },
      { unparsable: expect.stringMatching(/JSON/) as string },
    ]);
  });

  it.each([
    ['no_events', ''],
    ['no_events', '\n\r\n \n'],
    ['too_many_events', '{}\n{}\n{}'],
  ])('refuses as %s: %j', (code, text) => {
    expect(codeOf(() => readNdjson(text, 2))).toBe(code);
  });
});
