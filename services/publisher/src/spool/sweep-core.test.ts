import { expect, it } from 'vitest';
import { type FolderSeen, SweepCore } from './sweep-core.ts';

const limits = { orphanMs: 60_000, keepMs: 86_400_000 };

function folder(more: Partial<FolderSeen> = {}): FolderSeen {
  return { name: 'a', isLocked: false, hasSegments: true, hasParked: false, ...more };
}

/** The verdicts on one folder, seen as it is at each of these times. */
function verdicts(...looks: readonly (readonly [atMs: number, seen: Partial<FolderSeen>])[]): readonly unknown[] {
  const core = new SweepCore(limits);
  return looks.map(([atMs, seen]) => core.judge([folder(seen)], atMs).get('a'));
}

it('empties a spool that nobody has had for a minute', () => {
  expect(verdicts([0, {}], [59_999, {}], [60_000, {}], [60_001, {}])).toEqual(['leave', 'leave', 'empty', 'empty']);
});

it('never touches a spool that a sidecar has, and waits anew after each that had it', () => {
  const locked = { isLocked: true };
  expect(verdicts([0, locked], [1e9, locked])).toEqual(['leave', 'leave']);
  expect(verdicts([0, {}], [59_000, locked], [60_000, {}], [119_999, {}], [120_000, {}])).toEqual([
    'leave',
    'leave',
    'leave',
    'leave',
    'empty',
  ]);
});

it('removes an empty folder after a day alone, and never one with anything in it', () => {
  const empty = { hasSegments: false };
  expect(verdicts([0, empty], [86_399_999, empty], [86_400_000, empty])).toEqual(['leave', 'leave', 'remove']);
  const parked = { ...empty, hasParked: true };
  expect(verdicts([0, parked], [1e12, parked])).toEqual(['leave', 'leave']);
});

it('forgets folders that are gone', () => {
  const core = new SweepCore(limits);
  core.judge([folder()], 0);
  core.judge([], 30_000);
  expect(core.judge([folder()], 60_000).get('a')).toBe('leave');
});
