import { describe, expect, it } from 'vitest';
import {
  heartbeatMs,
  leaseMs,
  ofType,
  ownerOfAll,
  ownerOfOne,
  redisMs,
  sharesOf,
  shardsOf,
  TestMember,
} from './testing/test-member.ts';

describe('OwnershipCore, as a member', () => {
  it('beats once it has a broker, every half second, and not before the last beat was answered', () => {
    const member = new TestMember();
    expect(member.tick()).toEqual([]);
    expect(member.step({ type: 'broker_changed', connected: true })).toEqual([{ type: 'heartbeat', ttlMs: 8_000 }]);
    expect(member.core.isMember).toBe(false);
    expect(ofType(member.tick(5_000), 'heartbeat')).toEqual([]);
    expect(ofType(member.sees('me'), 'heartbeat')).toHaveLength(1);
    member.sees('me');
    expect(member.core.isMember).toBe(true);
    expect(ofType(member.tick(heartbeatMs - 1), 'heartbeat')).toEqual([]);
    expect(ofType(member.tick(1), 'heartbeat')).toHaveLength(1);
  });

  it('beats ten times and more within half of a short lease', () => {
    const member = TestMember.joined([], { leaseMs: 1_000 });
    expect(ofType(member.tick(50), 'heartbeat')).toEqual([{ type: 'heartbeat', ttlMs: 800 }]);
  });

  it('goes on beating when nobody answers', () => {
    const member = TestMember.joined();
    member.tick(heartbeatMs);
    member.step({ type: 'heartbeat_answered', members: undefined });
    expect(ofType(member.tick(heartbeatMs), 'heartbeat')).toHaveLength(1);
    expect(member.core.members).toEqual(['me']);
  });

  it('claims what the spread of shards over members gives to it, and nothing else', () => {
    const members = ['me', 'other', 'third'];
    const member = new TestMember();
    member.step({ type: 'broker_changed', connected: true });
    const effects = member.sees(...members);
    expect(shardsOf(effects, 'claim')).toEqual(sharesOf('me', members));
    expect(ofType(effects, 'claim')[0]).toMatchObject({ ttlMs: 9_000 });
    expect(shardsOf(member.tick(1_000), 'claim')).toEqual([]);
  });

  it('withdraws after a lease time without a broker, hands everything over, and comes back with the broker', () => {
    const member = ownerOfAll();
    member.step({ type: 'broker_changed', connected: false });
    member.tick(leaseMs / 2);
    member.step({ type: 'broker_changed', connected: false });
    expect(ofType(member.tick(leaseMs / 2 - 1), 'withdraw')).toEqual([]);
    const effects = member.tick(1);
    expect(effects[0]).toEqual({ type: 'withdraw' });
    expect(shardsOf(effects, 'hand_over')).toEqual([0, 1, 2, 3]);
    expect(member.core.isMember).toBe(false);
    expect(member.sees('me')).toEqual([]);
    expect(member.tick(leaseMs)).not.toContainEqual(expect.objectContaining({ type: 'heartbeat' }));
    expect(ofType(member.step({ type: 'broker_changed', connected: true }), 'heartbeat')).toHaveLength(1);
    expect(ofType(member.sees('me'), 'claim')).toEqual([]);
    member.ended(0, 'released');
    expect(shardsOf(member.released(0), 'claim')).toEqual([0]);
  });

  it('claims nothing on the word of a heartbeat that is answered after it withdrew', () => {
    const member = TestMember.joined([], { shards: 1 });
    member.refuse(0, leaseMs);
    member.step({ type: 'broker_changed', connected: false });
    member.tick(leaseMs - 1);
    member.refuse(0, 0);
    expect(member.tick(1)).toEqual([{ type: 'withdraw' }]);
    expect(member.sees('me')).toEqual([]);
    expect(member.tick(leaseMs)).toEqual([]);
  });

  it('stays when the broker comes back within the lease time', () => {
    const member = ownerOfAll();
    member.step({ type: 'broker_changed', connected: false });
    member.tick(leaseMs - 1);
    member.step({ type: 'broker_changed', connected: true });
    expect(ofType(member.tick(leaseMs), 'withdraw')).toEqual([]);
  });

  it('hands over what a new member gets, and keeps the rest', () => {
    const member = ownerOfAll();
    const theirs = sharesOf('other', ['me', 'other']);
    expect(shardsOf(member.sees('me', 'other'), 'hand_over')).toEqual(theirs);
    expect(shardsOf(member.sees('me', 'other'), 'hand_over')).toEqual([]);
    const [given] = theirs;
    expect(shardsOf(member.ended(given!, 'released'), 'release')).toEqual([given]);
    expect(shardsOf(member.released(given!), 'claim')).toEqual([]);
    expect(member.core.owned).not.toContain(given);
  });

  it('takes back what it was handing over when the other has gone again', () => {
    const member = ownerOfAll();
    const [given] = sharesOf('other', ['me', 'other']);
    member.sees('me', 'other');
    member.sees('me');
    member.ended(given!, 'released');
    expect(shardsOf(member.released(given!), 'claim')).toEqual([given]);
  });
});

describe('OwnershipCore, claiming', () => {
  it('starts a shard under the epoch that it was granted, until 0.9 of the lease after it asked', () => {
    const member = TestMember.joined();
    member.nowMs = 300;
    expect(member.grant(0, 1, 100)).toContainEqual({ type: 'start_shard', shard: 0, epoch: 1, deadlineMs: 9_100 });
    expect(member.core.owned).toEqual([0]);
  });

  it('asks again when the time of the holder is over, and at every heartbeat until then', () => {
    const member = TestMember.joined();
    member.refuse(0, 100);
    member.refuse(1, 9_000);
    expect(shardsOf(member.tick(100), 'claim')).toEqual([]);
    expect(shardsOf(member.tick(1), 'claim')).toEqual([0]);
    expect(shardsOf(member.tick(heartbeatMs - 101), 'claim')).toEqual([1]);
  });

  it('asks again when it was not answered', () => {
    const member = TestMember.joined();
    member.step({ type: 'claim_answered', shard: 0, answer: undefined, askedAtMs: 0 });
    expect(shardsOf(member.tick(heartbeatMs), 'claim')).toEqual([0]);
  });

  it('gives back at once what it no longer wants when it is granted', () => {
    const member = TestMember.joined();
    const [theirs] = sharesOf('other', ['me', 'other']);
    member.sees('me', 'other');
    const effects = member.grant(theirs!);
    expect(effects.map(({ type }) => type)).toEqual(['start_shard', 'hand_over']);
  });

  it('ignores the answer to a claim that it has given up waiting for', () => {
    const member = ownerOfOne();
    expect(member.grant(0)).toEqual([]);
  });
});

describe('OwnershipCore, keeping leases', () => {
  it('renews every sixth of the lease, one renewal at a time', () => {
    const member = ownerOfOne();
    expect(ofType(member.tick(1_666), 'renew')).toEqual([]);
    expect(ofType(member.tick(1), 'renew')).toEqual([{ type: 'renew', shard: 0, epoch: 1, ttlMs: 9_000 }]);
    expect(ofType(member.tick(5_000), 'renew')).toEqual([]);
  });

  it('tells the shard its new deadline, counted from when it asked', () => {
    const member = ownerOfOne();
    member.tick(2_000);
    member.nowMs = 2_700;
    expect(member.renewed(0, 2_000, 'ok')).toEqual([
      { type: 'lease_renewed', shard: 0, deadlineMs: 11_000, redisMs, replays: 0 },
    ]);
    expect(ofType(member.tick(900), 'renew')).toEqual([]);
    expect(ofType(member.tick(100), 'renew')).toHaveLength(1);
  });

  it.each([undefined, 'stale'] as const)('does not lengthen the lease on the answer %s, and asks again', (answer) => {
    const member = ownerOfOne();
    member.tick(2_000);
    const effects = member.renewed(0, 2_000, answer);
    expect(ofType(effects, 'lease_renewed')).toEqual([]);
    // Whoever knows that it is over does not count on.
    expect(ofType(effects, 'lease_lost')).toHaveLength(answer === 'stale' ? 1 : 0);
    expect(ofType(member.tick(heartbeatMs), 'renew')).toHaveLength(1);
  });

  it('goes on renewing while a shard is handed over or drained, for its calls are under way', () => {
    const member = ownerOfOne();
    member.step({ type: 'left' });
    expect(ofType(member.tick(2_000), 'renew')).toHaveLength(1);
  });

  it('takes no renewal of an earlier tenure for one of this', () => {
    const member = ownerOfOne();
    member.tick(2_000);
    member.ended(0, 'lease_expired');
    member.released(0);
    member.grant(0);
    expect(member.renewed(0, 2_000, 'ok')).toEqual([]);
  });

  it.each(['lease_expired', 'stale', 'refused'] as const)(
    'claims a shard again, under a new epoch, that ended as %s',
    (reason) => {
      const member = ownerOfOne();
      expect(member.ended(0, reason)).toEqual([{ type: 'release', shard: 0, epoch: 1 }]);
      expect(shardsOf(member.released(0), 'claim')).toEqual([0]);
      expect(member.grant(0)).toContainEqual(expect.objectContaining({ type: 'start_shard', epoch: 2 }));
    },
  );
});
