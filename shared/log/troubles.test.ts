import { expect, it } from 'vitest';
import { createLog } from './log.ts';
import { counted, Troubles } from './troubles.ts';

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  let nowMs = 0;
  const troubles = new Troubles(createLog({ service: 'test', level: 'info' }, { write }), () => nowMs);
  const wait = (ms: number) => (nowMs += ms);
  return {
    troubles,
    lines,
    wait,
    told: () => lines.splice(0).map(({ level, msg }) => `${String(level)}: ${String(msg)}`),
  };
}

const full = { reason: 'full', message: 'The disk is full.', level: 'error', fields: { folder: '/spool' } } as const;

it('tells a trouble at once, then once a minute with how often it was met and since when', () => {
  const { troubles, lines, wait } = setUp();
  for (let second = 0; second < 120; second++) {
    troubles.tell(full);
    wait(1_000);
  }
  const since: unknown = expect.stringMatching(/^\d{4}-/);
  expect(lines).toMatchObject([
    { level: 'error', reason: 'full', folder: '/spool', msg: 'The disk is full.' },
    { level: 'error', reason: 'full', since, lastedS: 60, times: 61 },
  ]);
});

it('tells each reason for itself', () => {
  const { troubles, told } = setUp();
  troubles.tell(full);
  troubles.tell({ reason: 'slow', message: 'The disk is slow.' });
  expect(told()).toEqual(['error: The disk is full.', 'warn: The disk is slow.']);
});

it('tells once that it is over, with how long it lasted', () => {
  const { troubles, lines, wait } = setUp();
  troubles.tell(full);
  wait(4_000);
  expect(troubles.over('full', 'The disk has room again.', { free: 3 })).toMatchObject({ lastedS: 4, times: 1 });
  expect(troubles.over('full', 'The disk has room again.')).toBeUndefined();
  expect(lines[1]).toMatchObject({ level: 'info', reason: 'full', lastedS: 4, times: 1, free: 3 });
  expect(lines).toHaveLength(2);
});

it('says nothing of the end of what never began', () => {
  const { troubles, told } = setUp();
  expect(troubles.over('full', 'The disk has room again.')).toBeUndefined();
  expect(told()).toEqual([]);
});

it('tells what comes and goes once a minute, and its end only where its beginning was told', () => {
  const { troubles, told, wait } = setUp();
  for (let second = 0; second < 60; second++) {
    troubles.tell(full);
    troubles.over('full', 'Fine again.');
    wait(1_000);
  }
  expect(told()).toEqual(['error: The disk is full.', 'info: Fine again.']);
  troubles.tell(full);
  expect(told()).toEqual(['error: The disk is full.']);
});

it('takes reasons that follow one another for one trouble, tells each, and how long all of it lasted', () => {
  const { troubles, lines, wait } = setUp();
  const about = 'broker';
  troubles.tell({ about, reason: 'reset', message: 'It hung up.' });
  wait(1_000);
  troubles.tell({ about, reason: 'refused', message: 'Nobody answers.' });
  expect(troubles.remarks).toEqual(['Nobody answers.']);
  wait(2_000);
  expect(troubles.over(about, 'Fine again.')).toMatchObject({ lastedS: 3, times: 2 });
  expect(lines.map(({ msg }) => msg)).toEqual(['It hung up.', 'Nobody answers.', 'Fine again.']);
  expect(lines.at(-1)).toMatchObject({ reason: 'refused', lastedS: 3 });
});

it('notes what does not last once a minute, with how often since the line before, and without a remark', () => {
  const { troubles, lines, wait } = setUp();
  const died = { reason: 'died', message: 'An entry died.', level: 'error', fields: { meter: 'm' } } as const;
  troubles.note(died, 3);
  wait(30_000);
  troubles.note(died, 2);
  wait(30_000);
  troubles.note(died);
  expect(lines).toMatchObject([
    { level: 'error', reason: 'died', meter: 'm', times: 3, msg: 'An entry died.' },
    { level: 'error', reason: 'died', times: 3 },
  ]);
  expect(troubles.remarks).toEqual([]);
});

it('has a remark for as long as the trouble lasts', () => {
  const { troubles } = setUp();
  troubles.tell({ ...full, remark: 'The disk is full: 3 messages wait.' });
  troubles.tell({ reason: 'slow', message: 'The disk is slow.' });
  expect(troubles.remarks).toEqual(['The disk is full: 3 messages wait.', 'The disk is slow.']);
  expect(troubles.isOn('full')).toBe(true);
  troubles.over('full', 'Fine again.');
  expect(troubles.remarks).toEqual(['The disk is slow.']);
  expect(troubles.isOn('full')).toBe(false);
});

it('remembers a bounded number of reasons', () => {
  const { troubles } = setUp();
  for (let index = 0; index < 1_500; index++) troubles.tell({ reason: `r${index}`, message: `${index}` });
  expect(troubles.remarks).toHaveLength(1_000);
});

it('counts one event and two events', () => {
  expect([counted(0, 'event'), counted(1, 'event'), counted(2, 'entry', 'entries')]).toEqual([
    '0 events',
    '1 event',
    '2 entries',
  ]);
});
