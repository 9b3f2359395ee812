import { spread } from '../../../../../shared/topology/rendezvous.ts';
import type { EndReason } from '../../shard/protocol.ts';
import { OwnershipCore, type OwnershipLimits } from '../core.ts';
import type { OwnershipEffect, OwnershipEvent } from '../protocol.ts';

export const leaseMs = 10_000;
export const heartbeatMs = 500;
export const redisMs = Date.UTC(2026, 10, 22, 12);
export const limits: OwnershipLimits = { member: 'me', shards: 4, leaseMs, drainMs: 25_000, callTimeoutMs: 5_000 };

/** The core with a clock, and a Redis that answers what it is told to. */
export class TestMember {
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

export function ofType<T extends OwnershipEffect['type']>(
  effects: readonly OwnershipEffect[],
  type: T,
): (OwnershipEffect & { readonly type: T })[] {
  return effects.filter((effect): effect is OwnershipEffect & { readonly type: T } => effect.type === type);
}

export function shardsOf(
  effects: readonly OwnershipEffect[],
  type: 'claim' | 'hand_over' | 'drain' | 'release',
): number[] {
  return ofType(effects, type).map(({ shard }) => shard);
}

export function sharesOf(member: string, members: readonly string[]): number[] {
  const owners = spread(members, limits.shards);
  return Array.from({ length: limits.shards }, (_, shard) => shard).filter((shard) => owners.get(shard) === member);
}

/** A member that is alone and owns all shards. */
export function ownerOfAll(): TestMember {
  const member = TestMember.joined();
  for (let shard = 0; shard < limits.shards; shard++) member.grant(shard);
  return member;
}

/** A member that is alone and owns the only shard. */
export function ownerOfOne(): TestMember {
  const member = TestMember.joined([], { shards: 1 });
  member.grant(0);
  return member;
}
