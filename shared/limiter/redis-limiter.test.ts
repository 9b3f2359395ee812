/** The shell of a limit in Redis: what it makes of an answer, by when it asked and when it heard. */
import { describe, expect, it } from 'vitest';
import { createLog } from '../log/log.ts';
import type { Redis } from '../redis/client.ts';
import { createRedisLimiter } from './redis-limiter.ts';

/** A Redis whose clock is so far ahead of ours, and that answers a request after `tookMs`. */
function limiterWith({ tookMs, aheadMs = 1_000_000 }: { readonly tookMs: number; readonly aheadMs?: number }) {
  let nowMs = 5_000;
  const takes = { ms: tookMs };
  const lines: string[] = [];
  const asked: { readonly script: unknown; readonly args: readonly unknown[] }[] = [];
  const redis = {
    callBuffer: async (_command: string, [script, ...args]: readonly unknown[]) => {
      asked.push({ script, args });
      // Redis looks at its clock as soon as the request is sent; the answer takes its time.
      const nowUs = (nowMs + aheadMs) * 1_000;
      nowMs += takes.ms;
      return [nowUs, Buffer.from('1'), 0, Buffer.from(''), 10_000, 3, nowUs + 20_000];
    },
  } as unknown as Redis;
  const limiter = createRedisLimiter({
    redis,
    keyPrefix: 'tallyman:',
    ratePerS: 100,
    provider: 'stripe',
    credential: () => 'sk_test_1',
    endpoint: 'v1-meter-events',
    log: createLog({ service: 'test', level: 'info' }, { write: (line) => void lines.push(line) }),
    now: () => nowMs,
  });
  return { limiter, asked, takes, lines, now: () => nowMs };
}

describe('slots', () => {
  it('begin when they begin by the clock of Redis, at the latest: never early on ours', async () => {
    const { limiter } = limiterWith({ tookMs: 4 });
    const { lease } = await limiter.lease(3);
    if (!('slotsAtMs' in lease)) throw new Error('There are no slots.');
    // Asked at 5,000, and the first slot is 20 ms after that; the answer came at 5,004.
    for (const [index, atMs] of lease.slotsAtMs.entries()) {
      expect(atMs).toBeGreaterThanOrEqual(5_020 + 10 * index);
      expect(atMs).toBeLessThanOrEqual(5_024 + 10 * index);
    }
  });

  it('cannot be used when the answer came so late that nobody knows when they are', async () => {
    const { limiter } = limiterWith({ tookMs: 500 });
    const { lease } = await limiter.lease(3);
    expect(lease).toHaveProperty('waitMs');
  });

  // That no call was started was said once a minute, and never taken back.
  it('are missed by a person who reads the log, and that is over as soon as Redis answers in time', async () => {
    const { limiter, takes, lines } = limiterWith({ tookMs: 500 });
    for (let lease = 0; lease < 3; lease++) await limiter.lease(3);
    expect(lines).toEqual([expect.stringMatching(/"level":"error".*no call is started/)]);
    takes.ms = 1;
    for (let lease = 0; lease < 3; lease++) await limiter.lease(3);
    expect(lines.slice(1)).toEqual([expect.stringMatching(/"level":"info".*fast enough again/)]);
  });
});

it('is never called by the credential itself', async () => {
  const { limiter, asked } = limiterWith({ tookMs: 1 });
  await limiter.lease(1);
  expect(JSON.stringify(asked)).not.toContain('sk_test_1');
});

it('gives back the slots that it had last, and them only once', async () => {
  const { limiter, asked } = limiterWith({ tookMs: 1 });
  await limiter.lease(3);
  await limiter.giveBack(2);
  await limiter.giveBack(2);
  expect(asked).toHaveLength(2);
});
