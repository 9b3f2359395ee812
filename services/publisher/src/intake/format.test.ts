import { describe, expect, it } from 'vitest';
import { formatChooser } from './format.ts';
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

const choose = formatChooser();
const chosen = (headers: Readonly<Record<string, string>>) => choose({ headers, headersDistinct: {} });

describe('the format of a request', () => {
  it.each([
    ['application/json', '{"id":"x"}', 'id'],
    ['application/json; charset=utf-8', '{"id":"x"}', 'id'],
    ['Application/JSON;charset="UTF-8"', '[{"id":"x"}]', 'id'],
    ['application/x-ndjson', '{"id":"x"}\n', 'id'],
    ['application/x-ndjson ; charset=utf8', '{"id":"x"}', 'id'],
    ['application/ndjson', '{"id":"x"}\r\n', 'id'],
    ['application/cloudevents+json', '{"specversion":"0"}', 'specversion'],
    ['application/cloudevents-batch+json; charset=utf-8', '[{"specversion":"0"}]', 'specversion'],
  ])('is told by %s', (contentType, text, field) => {
    const format = chosen({ 'content-type': contentType });
    const items = format.read(text, 10);
    expect(items).toHaveLength(1);
    expect(items[0]).toHaveProperty(field);
    const fault = format.validate(items[0], { nowMs: 0, newId: () => 'made' });
    expect(fault).toMatchObject({ code: field === 'id' ? 'customer_missing' : 'specversion_invalid' });
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
    expect(codeOf(() => chosen(headers))).toBe('unsupported_media_type');
    expect(() => chosen(headers)).toThrow(/application\/json, application\/x-ndjson, /);
  });

  it('refuses another character set than UTF-8', () => {
    expect(codeOf(() => chosen({ 'content-type': 'application/json; charset=iso-8859-1' }))).toBe(
      'unsupported_encoding',
    );
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
