import { describe, expect, it } from 'vitest';
import { cases, faultName, faults, whyNot } from './faults.ts';
import { pointNames, points } from './points.ts';

const of = (name: string) => cases.filter(({ point }) => point === name).map(({ fault }) => faultName(fault));

describe('the cases', () => {
  it('kill and freeze every process at every point of its own', () => {
    for (const name of pointNames) {
      const { process } = points[name];
      expect(of(name)).toEqual(expect.arrayContaining([`kill-${process}`, `freeze-${process}`]));
    }
  });

  it('take from a consumer, at every point, the broker and Redis', () => {
    const away = ['kill-broker', 'freeze-broker', 'kill-redis', 'freeze-redis'];
    for (const name of pointNames.filter((name) => points[name].process === 'consumer')) {
      expect(of(name)).toEqual(expect.arrayContaining(away));
    }
  });

  it('lose every answer that is awaited', () => {
    expect(of('publish-before')).toContain('drop-broker');
    expect(of('answer-before')).toContain('drop-publisher');
    expect(of('call-before')).toContain('drop-provider');
    const journal = pointNames.filter((name) => points[name].awaits === 'redis');
    expect(journal).toHaveLength(8);
    for (const name of journal) expect(of(name)).toContain('drop-redis');
  });

  it('are all there is, but for those that have a reason', () => {
    const left = pointNames.flatMap((name) => faults.map((fault) => whyNot(points[name], fault)));
    expect(left.filter((reason) => reason === undefined)).toHaveLength(cases.length);
    expect(left.filter((reason) => reason === '')).toEqual([]);
  });
});
