import { expect, it } from 'vitest';
import { Secret } from '../config/secret.ts';
import { bearerCheck } from './bearer.ts';

const mayEnter = bearerCheck(new Secret('abc'));

it('lets in whoever carries the token', () => {
  expect(mayEnter('Bearer abc')).toBe(true);
  expect(mayEnter('bearer  abc')).toBe(true);
});

it.each([undefined, '', 'abc', 'Basic abc', 'Bearer', 'Bearer ', 'Bearer abcd', 'Bearer ab', 'Bearer abc abc'])(
  'keeps out %j',
  (authorization) => {
    expect(mayEnter(authorization)).toBe(false);
  },
);

it('follows a token that changes', () => {
  let token = 'old';
  let now = 0;
  const check = bearerCheck(
    new Secret(
      'old',
      () => token,
      () => now,
    ),
  );
  token = 'new';
  now = 1_000;
  expect([check('Bearer old'), check('Bearer new')]).toEqual([false, true]);
});
