import { expect, it } from 'vitest';
import { Fifo } from './fifo.ts';

it('gives back in order what was put in, across many cuts of its array', () => {
  const fifo = new Fifo<number>();
  let put = 0;
  let taken = 0;
  for (let round = 0; round < 500; round++) {
    for (let i = 0; i < 7; i++) fifo.push(put++);
    for (let i = 0; i < 6; i++) expect(fifo.shift()).toBe(taken++);
    expect(fifo.peek()).toBe(taken);
    expect(fifo.size).toBe(put - taken);
  }
  while (fifo.size > 0) expect(fifo.shift()).toBe(taken++);
  expect([taken, fifo.shift(), fifo.peek()]).toEqual([put, undefined, undefined]);
});

it('is empty after it was cleared', () => {
  const fifo = new Fifo<string>();
  fifo.push('a');
  fifo.clear();
  expect([fifo.size, fifo.shift()]).toEqual([0, undefined]);
});
