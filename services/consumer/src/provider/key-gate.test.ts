import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { untilKeyMayJoin } from './key-gate.ts';

interface Line {
  readonly reason?: string;
  readonly msg: string;
}

/** What the provider says and how many members there are, one after the other; the last of each stays. */
function gate(refusals: readonly (string | undefined)[], members: readonly (number | Error)[]) {
  const lines: Line[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line) as Line) });
  const troubles = new Troubles(log);
  const seen = { asked: 0, counted: 0, waited: 0 };
  const stopping = new AbortController();
  const passed = untilKeyMayJoin({
    keyRefusal: () => Promise.resolve(refusals[Math.min(seen.asked++, refusals.length - 1)]),
    members: () => {
      const count = members[Math.min(seen.counted++, members.length - 1)] ?? 0;
      return count instanceof Error ? Promise.reject(count) : Promise.resolve(count);
    },
    troubles,
    log,
    signal: stopping.signal,
    waits: () => {
      seen.waited++;
      if (seen.waited > 100) stopping.abort(new Error('It waits.'));
    },
    pauseMs: 0,
  });
  return { passed, seen, lines, troubles };
}

const refused = 'HTTP 401, Invalid API key';

/**
 * A pod of a rollout had a wrong key. It knew the meters from Redis, joined without one call that succeeded, was ready, and took
 * 6 of 16 shards from a healthy consumer: of those nothing was billed, and the rollout went on to the next pod.
 */
it('waits while the key is refused and others are there, says so once, and joins when the key is right', async () => {
  const { passed, seen, lines, troubles } = gate([refused, refused, refused, undefined], [1]);
  await passed;
  expect(seen).toEqual({ asked: 4, counted: 3, waited: 3 });
  expect(lines.map(({ reason }) => reason)).toEqual(['stripe_key_refused', 'stripe_key_refused']);
  expect(lines[0]?.msg).toMatch(/refuses STRIPE_API_KEY: this consumer does not join/);
  expect(lines[1]?.msg).toMatch(/this consumer joins/);
  expect(troubles.remarks).toEqual([]);
});

it('never joins beside others with a key that stays refused, and keeps a remark', async () => {
  const { passed, troubles } = gate([refused], [1]);
  await expect(passed).rejects.toThrow(/abort/);
  expect(troubles.remarks).toEqual([expect.stringContaining('STRIPE_API_KEY')]);
});

it('joins at once when the key is not refused, without a look at the others', async () => {
  const { passed, seen, lines } = gate([undefined], [1]);
  await passed;
  expect(seen).toEqual({ asked: 1, counted: 0, waited: 0 });
  expect(lines).toEqual([]);
});

it('joins when it is alone, or the last of the others has gone', async () => {
  const first = gate([refused], [0]);
  await first.passed;
  expect(first.seen.waited).toBe(0);
  const last = gate([refused], [2, 1, 0]);
  await last.passed;
  expect(last.seen.waited).toBe(2);
  expect(last.troubles.remarks).toEqual([]);
});

it('does not take a Redis without an answer for an empty cluster', async () => {
  const { passed, seen } = gate([refused, refused, undefined], [new Error('Connection is closed.')]);
  await passed;
  expect(seen).toEqual({ asked: 3, counted: 2, waited: 0 });
});
