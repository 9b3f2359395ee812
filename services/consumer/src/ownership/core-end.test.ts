import { describe, expect, it } from 'vitest';
import type { OwnershipEffect } from './protocol.ts';
import {
  heartbeatMs,
  leaseMs,
  ofType,
  ownerOfAll,
  ownerOfOne,
  redisMs,
  shardsOf,
  TestMember,
} from './testing/test-member.ts';

describe('OwnershipCore, when Redis has lost writes', () => {
  const halts = (effects: readonly OwnershipEffect[]) => ofType(effects, 'halt').map(({ shard }) => shard);

  function claimedAgain(
    member: TestMember,
    answer: { readonly epoch: number; readonly next: number },
  ): readonly OwnershipEffect[] {
    member.released(0);
    return member.step({
      type: 'claim_answered',
      shard: 0,
      answer: { granted: true, redisMs, ...answer },
      askedAtMs: 0,
    });
  }

  it.each([
    { seen: { epoch: 5, next: 9 }, answer: { epoch: 5, next: 9 }, halted: true },
    { seen: { epoch: 5, next: 9 }, answer: { epoch: 4, next: 9 }, halted: true },
    { seen: { epoch: 5, next: 9 }, answer: { epoch: 6, next: 8 }, halted: true },
    { seen: { epoch: 5, next: 9 }, answer: { epoch: 6, next: 9 }, halted: false },
    { seen: { epoch: 5, next: 9 }, answer: { epoch: 9, next: 12 }, halted: false },
  ])('after $seen the journal is at $answer: halted is $halted', ({ seen, answer, halted }) => {
    const member = TestMember.joined([], { shards: 1 });
    member.step({ type: 'claim_answered', shard: 0, answer: { granted: true, redisMs, ...seen }, askedAtMs: 0 });
    member.ended(0, 'lease_expired');
    const effects = claimedAgain(member, answer);
    expect(halts(effects)).toEqual(halted ? [0] : []);
    expect(ofType(effects, 'start_shard')).toHaveLength(halted ? 0 : 1);
  });

  // Redis came back without the last sets: a commit was refused for its number, the shard was claimed anew, and
  // went on below what this consumer had committed itself, since only a voluntary end was remembered.
  it.each(['released', 'lease_expired', 'stale', 'refused'] as const)(
    'halts below the set that its own shard had reached when it ended as %s',
    (reason) => {
      const member = TestMember.joined([], { shards: 1 });
      member.grant(0, 1);
      member.ended(0, reason, 8);
      expect(halts(claimedAgain(member, { epoch: 2, next: 7 }))).toEqual([0]);
    },
  );

  it.each([8, 9])(
    'goes on where the journal is what it had told, or a commit without an answer further (%d)',
    (next) => {
      const member = TestMember.joined([], { shards: 1 });
      member.grant(0, 1);
      member.ended(0, 'stale', 8);
      expect(halts(claimedAgain(member, { epoch: 2, next }))).toEqual([]);
    },
  );

  it('halts at once when the journal holds another set than was committed', () => {
    expect(halts(ownerOfOne().ended(0, 'mismatch'))).toEqual([0]);
  });

  it('never claims a shard again that it has halted for', () => {
    const member = ownerOfOne();
    expect(shardsOf(member.ended(0, 'mismatch'), 'claim')).toEqual([]);
    expect(shardsOf(member.tick(10 * leaseMs), 'claim')).toEqual([]);
    const other = ownerOfOne();
    other.ended(0, 'stale', 9);
    claimedAgain(other, { epoch: 2, next: 1 });
    expect(shardsOf(other.released(0), 'claim')).toEqual([]);
    expect(shardsOf(other.tick(10 * leaseMs), 'claim')).toEqual([]);
  });

  it('can leave nevertheless', () => {
    const member = ownerOfOne();
    member.ended(0, 'mismatch');
    expect(member.step({ type: 'left' })).toContainEqual({ type: 'finished' });
  });
});

describe('OwnershipCore, leaving', () => {
  it('withdraws first, so that the others spread its shards while it drains', () => {
    const member = ownerOfAll();
    const effects = member.step({ type: 'left' });
    expect(effects[0]).toEqual({ type: 'withdraw' });
    expect(shardsOf(effects, 'drain')).toEqual([0, 1, 2, 3]);
  });

  it.each([{ others: ['other'] }, { others: undefined }])(
    'drains for 400 ms where others go on with what is sealed, or nobody can tell: $others',
    ({ others }) => {
      const member = ownerOfAll();
      member.nowMs = 1_000;
      member.step({ type: 'left' });
      expect(ofType(member.step({ type: 'withdraw_answered', others }), 'drain')).toEqual([]);
      expect(ofType(member.tick(399), 'withdraw')).toEqual([]);
      expect(ofType(member.tick(1), 'withdraw')).toHaveLength(1);
      const drains = ofType(member.step({ type: 'withdraw_answered', others }), 'drain');
      expect(drains.map(({ deadlineMs }) => deadlineMs)).toEqual([1_400, 1_400, 1_400, 1_400]);
      expect(ofType(member.tick(heartbeatMs), 'withdraw')).toEqual([]);
    },
  );

  // All consumers were told to end at once. Each took the others for its heirs, gave up after 400 ms, and the last sets
  // waited in the journal for whoever was started next.
  it('does not take members for heirs that leave as well', () => {
    const member = ownerOfAll();
    member.sees('me', 'other');
    expect(ofType(member.step({ type: 'left' }), 'drain')[0]).toMatchObject({ deadlineMs: 19_000 });
    expect(ofType(member.tick(400), 'withdraw')).toHaveLength(1);
    expect(ofType(member.step({ type: 'withdraw_answered', others: [] }), 'drain')).toEqual([]);
  });

  it('hands over to an heir that comes while it settles', () => {
    const member = ownerOfAll();
    member.step({ type: 'left' });
    member.tick(400);
    member.step({ type: 'withdraw_answered', others: [] });
    expect(ofType(member.tick(heartbeatMs), 'withdraw')).toHaveLength(1);
    const drains = ofType(member.step({ type: 'withdraw_answered', others: ['heir'] }), 'drain');
    expect(drains[0]).toMatchObject({ deadlineMs: 400 + heartbeatMs });
  });

  it('drains for as long as it may where nobody else is, with time left for calls under way', () => {
    const member = ownerOfAll();
    member.nowMs = 1_000;
    expect(ofType(member.step({ type: 'left' }), 'drain')[0]).toMatchObject({ deadlineMs: 20_000 });
  });

  it('drains no time at all where there is none', () => {
    const member = TestMember.joined([], { drainMs: 3_000 });
    member.grant(0);
    expect(ofType(member.step({ type: 'left' }), 'drain')[0]).toMatchObject({ deadlineMs: 0 });
  });

  it('finishes when every lease is given back, once', () => {
    const member = TestMember.joined([], { shards: 2 });
    member.grant(0);
    member.grant(1);
    member.step({ type: 'left' });
    member.ended(0, 'released');
    member.ended(1, 'lease_expired');
    expect(member.released(0)).toEqual([]);
    expect(member.released(1)).toEqual([{ type: 'finished' }]);
    expect(member.tick(leaseMs)).toEqual([]);
  });

  it('finishes at once when it owns nothing', () => {
    expect(new TestMember().step({ type: 'left' })).toEqual([{ type: 'finished' }]);
  });

  it('waits for a claim that is under way, and gives back what it is granted', () => {
    const member = TestMember.joined([], { shards: 1 });
    expect(member.step({ type: 'left' })).toEqual([{ type: 'withdraw' }]);
    const effects = member.grant(0);
    expect(effects.map(({ type }) => type)).toEqual(['start_shard', 'hand_over']);
    member.ended(0, 'released');
    expect(member.released(0)).toEqual([{ type: 'finished' }]);
  });

  it('does not beat or claim any more, not even when a late heartbeat is answered', () => {
    const member = ownerOfAll();
    member.tick(heartbeatMs);
    member.step({ type: 'left' });
    member.sees('me');
    member.ended(0, 'released');
    member.released(0);
    expect(member.tick(leaseMs / 2).map(({ type }) => type)).toEqual(['withdraw', 'renew', 'renew', 'renew']);
    expect(member.step({ type: 'left' })).toEqual([]);
  });
});
