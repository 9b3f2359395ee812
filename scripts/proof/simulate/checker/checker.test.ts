import { describe, expect, it } from 'vitest';
import { commit, entry, held, message, newChecker, origin } from './testing.ts';

describe('the checker', () => {
  it('allows a message to be acked once the set that covers it is settled, and not before', () => {
    const early = newChecker().checker;
    early.committed(0, commit(1), 'consumer');
    early.acked(message);
    expect(early.violations).toEqual([expect.stringContaining('is pending')]);

    const late = newChecker().checker;
    late.committed(0, commit(1), 'consumer');
    late.completed(0, 1, 'token 1');
    late.acked(message);
    expect(late.violations).toEqual([]);
  });

  it('finds a message acked that no set covers, also between two that are covered', () => {
    const { checker } = newChecker();
    checker.committed(0, commit(1), 'consumer');
    checker.completed(0, 1, 'token 1');
    checker.acked({ ...message, origin: { ...origin, sequence: 4 } });
    expect(checker.violations).toEqual([expect.stringContaining('no committed set covers it')]);
  });

  it('finds an unreadable message acked without its dead letter', () => {
    const { checker } = newChecker();
    const unreadable = { ...message, origin: undefined };
    checker.deadLettered(0, 1);
    checker.acked(unreadable);
    expect(checker.violations).toEqual([]);
    checker.acked({ ...unreadable, position: 2 });
    expect(checker.violations).toHaveLength(1);
  });

  it('finds a set number given twice, and a commit that was repeated with more in it', () => {
    const { checker } = newChecker();
    checker.committed(0, commit(1), 'consumer');
    checker.committed(0, commit(1), 'consumer');
    checker.committed(1, commit(1, { entries: [entry('of another shard')] }), 'consumer');
    expect(checker.violations).toEqual([]);
    checker.committed(0, commit(1, { entries: [entry('entry of 1'), entry('one more')] }), 'consumer');
    expect(checker.violations).toEqual([expect.stringContaining('another content')]);
    checker.committed(0, commit(1, { token: 'another' }), 'consumer');
    expect(checker.violations[1]).toContain('Two sets');
  });

  it('finds a call for what is not committed, was changed, or was not journaled as attempted', () => {
    const { checker, newProcess } = newChecker();
    const process = newProcess();
    checker.callEnded(checker.callStarted(entry('unheard of'), 0, held(1), process));
    expect(checker.violations).toEqual([expect.stringContaining('in no committed set')]);
    checker.committed(0, commit(1), 'consumer');
    checker.callEnded(checker.callStarted(entry('entry of 1'), 0, held(1), process));
    expect(checker.violations[1]).toContain('before its attempt was journaled');
    checker.marked(0, 1, [0]);
    checker.callEnded(checker.callStarted(entry('entry of 1'), 0, held(1), process));
    expect(checker.violations).toHaveLength(2);
    checker.callEnded(checker.callStarted({ ...entry('entry of 1'), value: '2' }, 0, held(1), process));
    expect(checker.violations[2]).toContain('something else');
  });

  it('finds two calls at a time in a lane, but for those of an owner that sleeps', () => {
    const { checker, newProcess } = newChecker();
    const [owner, next] = [newProcess(), newProcess()];
    checker.committed(0, commit(1, { entries: [entry('one'), entry('two'), entry('elsewhere', 'other')] }), 'consumer');
    checker.marked(0, 1, [0, 1, 2]);
    checker.callStarted(entry('one'), 0, held(1), owner);
    checker.callStarted(entry('elsewhere', 'other'), 0, held(1), owner);
    owner.freeze();
    const ofNext = checker.callStarted(entry('one'), 0, held(2), next);
    expect(checker.violations).toEqual([]);
    checker.callEnded(ofNext);
    owner.kill();
    checker.callStarted(entry('one'), 0, held(2), next);
    checker.callStarted(entry('two'), 0, held(2), next);
    expect(checker.violations).toEqual([expect.stringContaining('two calls at a time')]);
  });

  it('finds what was billed, and is in no committed set', () => {
    const { checker } = newChecker();
    checker.billed(entry('unheard of'));
    expect(checker.violations).toEqual([expect.stringContaining('in no committed set')]);
  });

  it('finds more calls within a second than the rate allows', () => {
    const { checker, newProcess, ratePerS } = newChecker();
    const entries = Array.from({ length: 2 * ratePerS }, (_, index) => entry(`entry ${index}`, `cus_${index}`));
    checker.committed(0, commit(1, { entries }), 'consumer');
    const indices = entries.map((_, index) => index);
    checker.marked(0, 1, indices);
    const process = newProcess();
    for (const sent of entries.slice(0, ratePerS)) checker.callStarted(sent, 0, held(1), process);
    expect(checker.violations).toEqual([]);
    for (const sent of entries.slice(ratePerS)) checker.callStarted(sent, 0, held(1), process);
    expect(checker.violations[0]).toContain('within a second');
  });

  const event = { id: 'e1', customer: 'cus', meter: 'requests', value: '5', timestamp: 1 };
  const bodyOf = (...events: readonly object[]) => Buffer.from(JSON.stringify({ events }));

  it('finds an event answered 202 that is neither on the broker nor in a spool', () => {
    const { checker } = newChecker();
    checker.sent([event]);
    checker.accepted([event]);
    expect(checker.violations).toEqual([expect.stringContaining('neither on the broker nor in a spool')]);
    const [reached, spooled] = [newChecker().checker, newChecker().checker];
    for (const each of [reached, spooled]) each.sent([event]);
    reached.reached(origin, bodyOf(event), 0);
    spooled.spooled(bodyOf(event));
    for (const each of [reached, spooled]) each.accepted([event]);
    expect([...reached.violations, ...spooled.violations]).toEqual([]);
  });

  it.each([
    ['another value', { value: '6' }],
    ['another customer', { customer: 'other' }],
    ['another account', { account: 'acct' }],
    ['another time', { timestamp: 2 }],
    ['another dimension', { dimensions: { region: 'a' } }],
  ])('finds an event on the broker that no client sent: %s', (_what, other) => {
    const { checker } = newChecker();
    checker.sent([event]);
    checker.reached(origin, bodyOf({ ...event, ...other }), 0);
    expect(checker.violations).toEqual([expect.stringContaining('is not one that a client sent')]);
  });

  it('finds a message that was published again with other bytes', () => {
    const { checker } = newChecker();
    const second = { ...event, id: 'e2' };
    checker.sent([event, second]);
    checker.reached(origin, bodyOf(event), 0);
    checker.reached(origin, bodyOf(event), 1);
    expect(checker.violations).toEqual([]);
    checker.reached(origin, bodyOf(second), 2);
    expect(checker.violations).toEqual([expect.stringContaining('other bytes')]);
  });

  it('finds an owner that its own journal contradicts, and a member that halts, while Redis has lost nothing', () => {
    const { checker } = newChecker();
    for (const reason of ['released', 'stale', 'lease_expired']) checker.tenureEnded('consumer', 0, reason);
    expect(checker.violations).toEqual([]);
    checker.tenureEnded('consumer', 0, 'refused');
    checker.halted('consumer', 'its journal is lower than it was');
    expect(checker.violations).toHaveLength(2);
  });

  it('finds what was billed twice', () => {
    const { checker } = newChecker();
    checker.committed(0, commit(1, { entries: [entry('one'), entry('two')] }), 'consumer');
    checker.billed(entry('one'));
    checker.billed(entry('two'));
    expect(checker.violations).toEqual([]);
    checker.billed(entry('one'));
    expect(checker.violations).toEqual([expect.stringContaining('billed twice')]);
  });
});
