import { expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { ViewWriter } from './leave-view.ts';
import type { View } from './stored-view.ts';

const view: View = { member: 'one', reasons: [], remarks: [], messagesHeld: 1, eventsOpen: 1, entriesPending: 0 };

function setUp() {
  const lines: { level: string; msg: string }[] = [];
  const log = createLog({ service: 'test', level: 'info' }, { write: (line) => lines.push(JSON.parse(line) as never) });
  const written: View[] = [];
  const redis = { fails: false, removals: 0, attempts: 0 };
  const clock = { nowMs: 0 };
  const store = {
    write: async (_: string, what: View) => {
      redis.attempts++;
      if (redis.fails) throw new Error('OOM command not allowed');
      written.push(what);
    },
    removeGone: async () => void redis.removals++,
  };
  const writer = new ViewWriter('pod', store, log, () => clock.nowMs);
  const lookFor = async (seconds: number, what: (second: number) => View): Promise<void> => {
    for (let second = 0; second < seconds; second++, clock.nowMs += 1_000) await writer.look(what(second));
  };
  return { lines, written, redis, lookFor };
}

it('writes what it holds every five seconds, and cleans up once a minute', async () => {
  const { written, redis, lookFor } = setUp();
  await lookFor(120, (second) => ({ ...view, messagesHeld: second }));
  expect(written).toHaveLength(24);
  expect(written.slice(0, 2).map(({ messagesHeld }) => messagesHeld)).toEqual([0, 5]);
  expect(redis.removals).toBe(2);
});

it('writes a new remark at once', async () => {
  const { written, lookFor } = setUp();
  await lookFor(4, (second) => (second < 2 ? view : { ...view, remarks: ['The key is refused.'] }));
  expect(written.map(({ remarks }) => remarks)).toEqual([[], ['The key is refused.']]);
});

// A write that fails must not be repeated at every look, however much changes, and a line each would fill the log.
it('says once that it cannot write, does not storm Redis, and says once that it can again', async () => {
  const { lines, written, redis, lookFor } = setUp();
  redis.fails = true;
  await lookFor(60, (second) => ({ ...view, remarks: [`at ${second}`] }));
  expect(redis.attempts).toBe(12);
  expect(lines).toMatchObject([
    {
      level: 'warn',
      cause: 'OOM command not allowed',
      msg: expect.stringMatching(/No usage is lost by that/) as string,
    },
  ]);
  // It came with a stack, beside the line that says what is wrong with Redis.
  expect(lines[0]).not.toHaveProperty('error');
  redis.fails = false;
  await lookFor(20, () => view);
  expect(lines).toHaveLength(2);
  expect(written[0]).toEqual(view);
});
