import { describe, expect, it } from 'vitest';
import { readAnswer } from './answer.ts';

const whole =
  'HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\nContent-Length: 14\r\nDate: x\r\n\r\n{"accepted":1}';

describe('readAnswer', () => {
  it('reads status and body', () => {
    expect(readAnswer(whole)).toEqual({ status: 202, body: '{"accepted":1}' });
  });

  it('waits for the rest, wherever it was cut', () => {
    for (let length = 0; length < whole.length; length++) expect(readAnswer(whole.slice(0, length))).toBeUndefined();
  });

  it('refuses what was not asked for', () => {
    expect(() => readAnswer(`${whole}HTTP/1.1`)).toThrow(/more than one/);
    expect(() => readAnswer('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')).toThrow(/no answer of a sidecar/);
  });
});
