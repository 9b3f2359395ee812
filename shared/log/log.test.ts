import { expect, it } from 'vitest';
import { Secret } from '../config/secret.ts';
import { createLog } from './log.ts';

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = [];
  write(createLog({ service: 'publisher', level: 'info' }, { write: (line) => void lines.push(line) }));
  return lines.join('');
}

it('writes one JSON object a line, with service, level and time in words', () => {
  const line = logged((log) => log.warn({ shard: 3 }, 'A shard moved.'));
  const time: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
  const shown = { service: 'publisher', level: 'warn', shard: 3, msg: 'A shard moved.', time };
  expect(JSON.parse(line)).toMatchObject(shown);
});

it('leaves out what is below its level', () => {
  expect(logged((log) => log.debug('quiet'))).toBe('');
});

it.each([
  ['a secret', { url: new Secret('amqp://u:hunter2@broker') }],
  ['a field called like one', { request: { authorization: 'Bearer hunter2' } }],
  ['credentials in the message of an error', { error: new Error('connect to amqp://u:hunter2@broker failed') }],
  [
    'what a library hangs on an error',
    { error: Object.assign(new Error('WRONGPASS'), { command: { args: ['hunter2'] } }) },
  ],
  ['a key of Stripe in a text', { answer: 'Invalid API Key provided: sk_live_hunter2' }],
  ['a restricted key of Stripe', { answer: 'rk_test_hunter2' }],
])('prints nothing of %s', (_, fields) => {
  const line = logged((log) => log.error(fields, 'Something failed.'));
  expect(line).not.toContain('hunter2');
  expect(JSON.parse(line)).toMatchObject({ msg: 'Something failed.' });
});

it('tells of an error its type, code, message and causes', () => {
  const cause = Object.assign(new TypeError('refused'), { code: 'ECONNREFUSED' });
  const error = new Error('no broker', { cause });
  const shown = JSON.parse(logged((log) => log.error({ error }, 'Failed.'))) as { error: Record<string, unknown> };
  expect(shown.error).toMatchObject({ type: 'Error', message: 'no broker: refused' });
  expect(shown.error['stack']).toContain('caused by: TypeError: refused');
  const coded = JSON.parse(logged((log) => log.error({ error: cause }, 'Failed.'))) as { error: unknown };
  expect(coded.error).toMatchObject({ type: 'TypeError', code: 'ECONNREFUSED' });
});
