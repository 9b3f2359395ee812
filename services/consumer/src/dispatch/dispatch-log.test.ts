import { expect, it } from 'vitest';
import type { Rate } from '../../../../shared/limiter/limiter.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { createDispatchLog, remarksOf } from './dispatch-log.ts';

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  let nowMs = 0;
  const told = createDispatchLog(createLog({ service: 'test', level: 'info' }, { write }), () => nowMs);
  return { told, lines, wait: (ms: number) => (nowMs += ms) };
}

const rate = (pace: number): Rate => ({ perS: 100 * pace, pace, lowered: undefined });

it('says once a minute that the provider fails, as long as it does, and when it answers again', () => {
  const { told, lines, wait } = setUp();
  for (let second = 0; second < 120; second += 3) {
    told.breaker('', 'open', 'HTTP 500');
    told.breaker('', 'half_open', '');
    wait(3_000);
  }
  told.breaker('', 'closed', '');
  expect(lines).toMatchObject([
    { level: 'warn', reason: 'fails', said: 'HTTP 500' },
    { level: 'warn', reason: 'fails', lastedS: 60 },
    { level: 'info', lastedS: 120, msg: 'The billing provider answers again: calls go on.' },
  ]);
});

// A revoked platform has thousands of connected accounts, and each of them wrote a line a minute.
it('tells of all connected accounts that are refused in one line, and when none is any more', () => {
  const { told, lines } = setUp();
  for (let account = 0; account < 1_000; account++) told.unauthorized(`acct_${account}`, '403');
  expect(lines).toMatchObject([{ level: 'error', reason: 'account_refused', of: ['acct_0'], cause: '403' }]);
  for (let account = 0; account < 1_000; account++) told.breaker(`acct_${account}`, 'closed', '');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ level: 'info', msg: expect.stringMatching(/refuses no connected account/) });
});

it('says that the credential is refused though the provider failed a moment ago, and the end of both once', () => {
  const { told, lines } = setUp();
  told.breaker('', 'open', 'HTTP 500');
  told.unauthorized('', '401');
  told.unauthorized('', '401');
  told.breaker('', 'closed', '');
  expect(lines.map(({ reason, level }) => [level, reason])).toEqual([
    ['warn', 'fails'],
    ['error', 'unauthorized'],
    ['info', 'unauthorized'],
  ]);
});

it('says when the rate was lowered, and when it is whole again', () => {
  const { told, lines } = setUp();
  told.paced(rate(1));
  told.throttled('', rate(0.5));
  told.throttled('', rate(0.25));
  told.paced(rate(0.9));
  expect(lines).toMatchObject([{ level: 'warn', reason: 'throttled', pace: 0.5 }]);
  told.paced(rate(1));
  expect(lines.slice(1)).toMatchObject([{ level: 'info', msg: expect.stringMatching(/whole rate again/) }]);
});

// With a revoked key there were two lines, of which one was wrong, and /readyz said "fails or refuses the credential".
it('tells a refused credential as that alone, of the platform and of connected accounts, and in the remarks', () => {
  const { told, lines } = setUp();
  for (const account of ['', 'acct_1']) {
    told.breaker(account, 'open', '401', true);
    told.unauthorized(account, '401');
  }
  expect(lines.map(({ reason }) => reason)).toEqual(['unauthorized', 'account_refused']);
  expect(remarksOf('unauthorized', rate(1), 0)).toEqual([
    expect.stringMatching(/does not accept the credential.*STRIPE/),
  ]);
  expect(remarksOf('fails', rate(1), 0)).toEqual([expect.stringMatching(/fails/)]);
  expect(remarksOf(undefined, rate(1), 0)).toEqual([]);
});
