import { expect, it } from 'vitest';
import { groupsOf, stages } from './stages.ts';

const namesOf = (names: readonly string[]) =>
  groupsOf(stages.filter(({ name }) => names.includes(name))).map((group) => group.map(({ name }) => name));

it('runs side by side what mostly waits, and alone what measures time or takes every core', () => {
  expect(namesOf(['unit', 'simulation', 'acceptance', 'integration', 'timing'])).toEqual([
    ['unit'],
    ['simulation'],
    ['acceptance', 'integration'],
    ['timing'],
  ]);
});

it('runs every stage once', () => {
  const names = groupsOf(stages).flatMap((group) => group.map(({ name }) => name));
  expect(names).toEqual(stages.map(({ name }) => name));
});
