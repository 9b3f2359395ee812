import { describe, expect, it } from 'vitest';
import { spread } from '../../../../shared/topology/rendezvous.ts';
import type { EndReason } from '../shard/protocol.ts';
import { OwnershipCore, type OwnershipEffect, type OwnershipEvent, type OwnershipLimits } from './core.ts';

const leaseMs = 10_000;
const heartbeatMs = 500;
const redisMs = Date.UTC(2026, 10, 22, 12);
const limits: OwnershipLimits = { member: 'me', shards: 4, leaseMs, drainMs: 25_000, callTimeoutMs: 5_000 };

/** The core with a clock, and a Redis that answers what it is told to. */
class TestMember {
  readonly core: OwnershipCore;
  nowMs = 0;
  #epoch = 0;

  constructor(said: Partial<OwnershipLimits> = {}) {
    this.core = new OwnershipCore({ ...limits, ...said });
  }

  /** A member of this cluster that has been answered its first heartbeat. */
  static joined(others: readonly string[] = [], said: Partial<OwnershipLimits> = {}): TestMember {
    const member = new TestMember(said);
    member.step({ type: 'broker_changed', connected: true });
    member.sees('me', ...others);
    return member;
  }

  step(event: OwnershipEvent): readonly OwnershipEffect[] {
    return this.core.step(event, this.nowMs);
  }

  tick(laterMs = 0): readonly OwnershipEffect[] {
    this.nowMs += laterMs;
    return this.step({ type: 'ticked' });
  }

  /** The heartbeat is answered. */
  sees(...members: readonly string[]): readonly OwnershipEffect[] {
    return this.step({ type: 'heartbeat_answered', members });
  }

  grant(shard: number, next = 1, askedAtMs = this.nowMs): readonly OwnershipEffect[] {
    const answer = { granted: true, epoch: ++this.#epoch, next, redisMs } as const;
    return this.step({ type: 'claim_answered', shard, answer, askedAtMs });
  }

  refuse(shard: number, remainingMs: number): readonly OwnershipEffect[] {
    const answer = { granted: false, holder: 'other', remainingMs } as const;
    return this.step({ type: 'claim_answered', shard, answer, askedAtMs: this.nowMs });
  }

  ended(shard: number, reason: EndReason, next = 1): readonly OwnershipEffect[] {
    return this.step({ type: 'shard_ended', shard, reason, next });
  }

  released(shard: number): readonly OwnershipEffect[] {
    return this.step({ type: 'release_answered', shard });
  }

  renewed(shard: number, askedAtMs: number, answer: 'ok' | 'stale' | undefined): readonly OwnershipEffect[] {
    const told = answer === undefined ? undefined : { answer, redisMs };
    return this.step({ type: 'renew_answered', shard, epoch: 1, answer: told, askedAtMs });
  }
}

function ofType<T extends OwnershipEffect['type']>(
  effects: readonly OwnershipEffect[],
  type: T,
): (OwnershipEffect & { readonly type: T })[] {
  return effects.filter((effect): effect is OwnershipEffect & { readonly type: T } => effect.type === type);
}

function shardsOf(effects: readonly OwnershipEffect[], type: 'claim' | 'hand_over' | 'drain' | 'release'): number[] {
  return ofType(effects, type).map(({ shard }) => shard);
}

function sharesOf(member: string, members: readonly string[]): number[] {
  const owners = spread(members, limits.shards);
  return Array.from({ length: limits.shards }, (_, shard) => shard).filter((shard) => owners.get(shard) === member);
}

/** A member that is alone and owns all shards. */
function ownerOfAll(): TestMember {
  const member = TestMember.joined();
  for (let shard = 0; shard < limits.shards; shard++) member.grant(shard);
  return member;
}

/** A member that is alone and owns the only shard. */
function ownerOfOne(): TestMember {
  const member = TestMember.joined([], { shards: 1 });
  member.grant(0);
  return member;
}

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
    expect(member.renewed(0, 2_000, 'ok')).toEqual([{ type: 'lease_renewed', shard: 0, deadlineMs: 11_000, redisMs }]);
    expect(ofType(member.tick(900), 'renew')).toEqual([]);
    expect(ofType(member.tick(100), 'renew')).toHaveLength(1);
  });

  it.each([undefined, 'stale'] as const)('does not lengthen the lease on the answer %s, and asks again', (answer) => {
    const member = ownerOfOne();
    member.tick(2_000);
    expect(ofType(member.renewed(0, 2_000, answer), 'lease_renewed')).toEqual([]);
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
      // Sealed up to set 8; whether the commit of set 8 was made is not known.
      member.ended(0, reason, 9);
      expect(halts(claimedAgain(member, { epoch: 2, next: 7 }))).toEqual([0]);
    },
  );

  it.each([8, 9])('goes on where the last commit may or may not have been made (next is %d)', (next) => {
    const member = TestMember.joined([], { shards: 1 });
    member.grant(0, 1);
    member.ended(0, 'stale', 9);
    expect(halts(claimedAgain(member, { epoch: 2, next }))).toEqual([]);
  });

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

  it('drains for 400 ms where others go on with what is sealed', () => {
    const member = ownerOfAll();
    member.sees('me', 'other');
    member.nowMs = 1_000;
    expect(ofType(member.step({ type: 'left' }), 'drain')[0]).toMatchObject({ deadlineMs: 1_400 });
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
    expect(member.tick(leaseMs / 2).map(({ type }) => type)).toEqual(['renew', 'renew', 'renew']);
    expect(member.step({ type: 'left' })).toEqual([]);
  });
});
