import { expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { MetersUnreadable } from '../provider/provider.ts';
import { createUnreadLists } from './unread-lists.ts';

function setUp() {
  const lines: { level: string; msg: string; reason: string; account?: string }[] = [];
  const log = createLog({ service: 'test', level: 'info' }, { write: (line) => lines.push(JSON.parse(line) as never) });
  let nowMs = 0;
  const unread = createUnreadLists(log, () => nowMs);
  return { lines, unread, later: (ms: number) => (nowMs += ms) };
}

// With a wrong key from the first start on, the log said once a minute that the meters could not be read, and nothing of the key.
it('says in plain words, once a minute, that the key is refused, what it means and what to do', () => {
  const { lines, unread, later } = setUp();
  const refused = new MetersUnreadable('invalid_request_error: Invalid API Key.', { isKeyRefused: true });
  for (let second = 0; second < 90; second += 5, later(5_000)) unread.failed('', refused, false);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({ level: 'error', reason: 'stripe_key_refused' });
  expect(lines[0]?.msg).toMatch(/refuses STRIPE_API_KEY.*usage waits.*Give a key/);
  expect(unread.remarks).toEqual([lines[0]?.msg]);
  expect(unread.count).toBe(1);
  unread.read('');
  expect(lines[2]).toMatchObject({ level: 'info', reason: 'stripe_key_refused' });
  expect(unread.remarks).toEqual([]);
});

it.each(['HTTP 500, api_error', 'no answer within 5000 ms', 'HTTP 200 without a list'])(
  'warns of a connected account whose list cannot be read: %s',
  (answer) => {
    const { lines, unread } = setUp();
    unread.failed('acct_1', new MetersUnreadable(answer), false);
    expect(lines).toMatchObject([{ level: 'warn', account: 'acct_1', answer }]);
    expect(unread.remarks).toEqual([expect.stringContaining('The meters of 1 connected account cannot be read')]);
    unread.read('acct_1');
    expect(lines[1]).toMatchObject({ level: 'info', account: 'acct_1' });
    expect([unread.count, unread.remarks]).toEqual([0, []]);
  },
);

it('names the first accounts one by one and tells of a thousand in one line', () => {
  const { lines, unread } = setUp();
  for (let account = 0; account < 1_000; account++)
    unread.failed(`acct_${account}`, new MetersUnreadable('HTTP 500'), false);
  expect(lines).toHaveLength(21);
  expect(unread.count).toBe(1_000);
});
