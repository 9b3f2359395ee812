import { describe, expect, it } from 'vitest';
import { cloudEvent, cloudEventBatch } from './cloud-events.ts';
import { formatOf, isCompressed } from './format.ts';
import { Unparsable } from './item.ts';
import { json } from './json.ts';
import { ndjson } from './ndjson.ts';
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
    ['application/json', json],
    ['application/json; charset=utf-8', json],
    ['Application/JSON;charset="UTF-8"', json],
    ['application/x-ndjson', ndjson],
    ['application/x-ndjson ; charset=utf8', ndjson],
    ['application/cloudevents+json', cloudEvent],
    ['application/cloudevents-batch+json; charset=utf-8', cloudEventBatch],
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
    expect(() => formatOf(headers)).toThrow(/application\/json, application\/x-ndjson, /);
  });

  it('refuses another character set than UTF-8', () => {
    expect(codeOf(() => formatOf({ 'content-type': 'application/json; charset=iso-8859-1' }))).toBe(
      'unsupported_encoding',
    );
  });
});

describe('isCompressed', () => {
  it.each([
    ['gzip', true],
    ['X-GZIP', true],
    [undefined, false],
    ['Identity', false],
  ])('%s: %s', (encoding, expected) => {
    expect(isCompressed(encoding === undefined ? {} : { 'content-encoding': encoding })).toBe(expected);
  });

  it.each(['br', 'deflate', 'gzip, gzip', 'zstd', ''])('refuses %j', (encoding) => {
    expect(codeOf(() => isCompressed({ 'content-encoding': encoding }))).toBe('unsupported_encoding');
  });
});

describe('json', () => {
  it('reads one event, or an array of events', () => {
    expect(json.read(' {"a":1} ', 10)).toEqual([{ a: 1 }]);
    expect(json.read('[{"a":1},7]', 10)).toEqual([{ a: 1 }, 7]);
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
    expect(codeOf(() => json.read(text, 2))).toBe(code);
  });
});

describe('ndjson', () => {
  it('reads one event a line, skipping blank ones', () => {
    expect(ndjson.read('{"a":1}\r\n\n  \n{"b":2}', 10)).toEqual([{ a: 1 }, { b: 2 }]);
    expect(ndjson.read('{"a":1}\n', 1)).toHaveLength(1);
  });

  it('keeps a place for a line that is not JSON', () => {
    expect(ndjson.read('{"a":1}\n{"a":\n1}', 10)).toEqual([
      { a: 1 },
      new Unparsable(expect.stringMatching(/JSON/) as string),
      new Unparsable(expect.stringMatching(/JSON/) as string),
    ]);
  });

  it.each([
    ['no_events', ''],
    ['no_events', '\n\r\n \n'],
    ['too_many_events', '{}\n{}\n{}'],
  ])('refuses as %s: %j', (code, text) => {
    expect(codeOf(() => ndjson.read(text, 2))).toBe(code);
  });
});
