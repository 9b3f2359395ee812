/** The consumer was one folder of 80 files, in which everything could import everything. */
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { circleOf, roomsOf } from './rooms.ts';

const filesMax = 20;
const rooms = roomsOf(resolve(import.meta.dirname, '../../../services/consumer/src'));

it('has no folder of the consumer with more files than a person sees at once', () => {
  expect([...rooms.keys()]).toEqual(expect.arrayContaining(['shard', 'counting', 'sending', 'shard/testing']));
  expect([...rooms].filter(([, { files }]) => files > filesMax).map(([folder]) => folder)).toEqual([]);
});

it('has folders of the consumer import each other one way', () => {
  expect(rooms.get('shard')?.imports).toContain('counting');
  expect(circleOf(rooms)).toBeUndefined();
});

it('finds a circle, however long it is', () => {
  const imports = (folders: Record<string, readonly string[]>) =>
    new Map(Object.entries(folders).map(([folder, to]) => [folder, { imports: new Set(to) }]));
  expect(circleOf(imports({ a: ['b', 'c'], b: ['c'], c: [] }))).toBeUndefined();
  expect(circleOf(imports({ a: ['b'], b: ['c'], c: ['d'], d: ['b'] }))).toEqual(['b', 'c', 'd', 'b']);
});
