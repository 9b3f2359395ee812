import { expect, it } from 'vitest';
import { type Reply, verdictOf } from './verdict.ts';

function answer(status: number, body: unknown, retryAfterMs = 0): Reply {
  return { kind: 'answer', status, retryAfterMs, body: typeof body === 'string' ? body : JSON.stringify(body) };
}

const fault = (code: string) => ({ error: { code, message: 'why' } });
const rejection = { index: 1, id: 'b', code: 'value_invalid', message: 'value: got nothing' };

it('reads per event what became of a request, also where nothing in it was valid', () => {
  const { code, message } = rejection;
  const rejected = new Map([[1, { code, message }]]);
  const body = { accepted: 1, duplicates: 1, rejected: [rejection] };
  expect(verdictOf(answer(202, body), 3)).toEqual({ kind: 'sifted', rejected });
  const nothing = { accepted: 0, duplicates: 1, rejected: [rejection] };
  expect(verdictOf(answer(400, nothing), 2)).toEqual({ kind: 'sifted', rejected });
});

it.each([
  ['503 that says that nothing was taken', answer(503, fault('broker_unavailable'), 2_000), false, 2_000],
  ['503 that leaves it open', answer(503, fault('unconfirmed'), 2_000), true, 2_000],
  ['503 of a code that it does not know', answer(503, fault('spilled')), true, 0],
  ['502 of a proxy', answer(502, '<html>'), true, 0],
  ['429', answer(429, '', 1_000), false, 1_000],
  ['a connection that was refused', { kind: 'failure', mayHaveArrived: false, detail: '' } as const, false, 0],
  ['a connection that broke', { kind: 'failure', mayHaveArrived: true, detail: '' } as const, true, 0],
])('tries again after %s', (_, reply, mayBeCounted, afterMs) => {
  expect(verdictOf(reply, 1)).toMatchObject({ kind: 'retry', mayBeCounted, afterMs });
});

it('asks for fewer events after 413', () => {
  expect(verdictOf(answer(413, fault('too_many_events')), 2)).toEqual({
    kind: 'too_large',
    fault: { code: 'too_many_events', message: 'why' },
  });
});

it.each([
  ['a wrong token', answer(401, fault('unauthorized')), false],
  ['a wrong address', answer(404, fault('not_found')), false],
  ['a redirection', answer(301, ''), false],
  ['an unreadable request', answer(400, fault('malformed_json')), false],
])('gives up at %s, and says what was answered', (_, reply, mayBeCounted) => {
  expect(verdictOf(reply, 1)).toMatchObject({ kind: 'refused', mayBeCounted, detail: expect.stringMatching(/\d{3}/) });
});

it.each([
  ['another body', answer(202, { ok: true })],
  ['no body', answer(200, '')],
  ['counts that do not add up', answer(202, { accepted: 1, duplicates: 0, rejected: [] })],
  [
    'a place outside of the request',
    answer(202, { accepted: 1, duplicates: 0, rejected: [{ ...rejection, index: 2 }] }),
  ],
  ['one place named twice', answer(202, { accepted: 0, duplicates: 0, rejected: [rejection, rejection] })],
])('never takes %s for durable', (_, reply) => {
  expect(verdictOf(reply, 2)).toMatchObject({ kind: 'refused', mayBeCounted: true });
});
