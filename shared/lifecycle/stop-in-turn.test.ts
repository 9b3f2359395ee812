import { expect, it } from 'vitest';
import { createLog } from '../log/log.ts';
import { stopInTurn } from './stop-in-turn.ts';

it('takes every step in its turn, tells each part that fails, and rejects with all errors at the end', async () => {
  const lines: string[] = [];
  const log = createLog({ service: 'test', level: 'info' }, { write: (line) => void lines.push(line) });
  const stopped: string[] = [];
  const [first, third] = [new Error('no channel'), new Error('no socket')];
  const throws = (): never => {
    throw third;
  };
  const stopping = stopInTurn(log, [
    { calls: () => Promise.reject(first), broker: async () => void stopped.push('broker') },
    { listener: throws },
    { redis: () => stopped.push('redis') },
  ]);
  await expect(stopping).rejects.toMatchObject({ errors: [first, third] });
  expect(stopped).toEqual(['broker', 'redis']);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: 'error', part: 'calls', error: { message: 'no channel' } },
    { level: 'error', part: 'listener', error: { message: 'no socket' } },
  ]);
});

it('begins no step before the one before is over', async () => {
  const order: string[] = [];
  const log = createLog({ service: 'test', level: 'silent' });
  const { promise, resolve } = Promise.withResolvers<void>();
  const stopping = stopInTurn(log, [{ first: () => promise }, { second: () => order.push('second') }]);
  await Promise.resolve();
  order.push('first');
  resolve();
  await stopping;
  expect(order).toEqual(['first', 'second']);
});
