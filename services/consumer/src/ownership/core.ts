import type { ClaimAnswer } from '../../../../shared/journal/journal.ts';
import { spread } from '../../../../shared/topology/rendezvous.ts';
import type { EndReason } from '../shard/protocol.ts';
import type { OwnershipEffect, OwnershipEvent } from './protocol.ts';

/**
 * Which shards this consumer holds, as a pure state machine. Members are known by their heartbeats; every one
 * computes the same spread of shards over members, claims what is its own and free, and hands over what is another's.
 *
 *   free ──claim──▶ claiming ──granted──▶ owned ──hand over, drain──▶ leaving ──ended──▶ releasing ──▶ free
 *                      └──held by another──▶ free      └────────lost────────▶ free
 *
 * Views differ for a moment after every join and leave; the lease decides, the spread only says who asks. A member
 * that has no broker for longer than a lease cannot count anything, so it leaves until it has one.
 *
 * It halts when the journal is at an epoch or a set that is lower than one seen before, or holds another set than the one
 * that was committed: Redis lost writes (invariant 8). A shard that it halted for stays halted for as long as this member lives.
 */
export interface OwnershipLimits {
  readonly member: string;
  readonly shards: number;
  readonly leaseMs: number;
  readonly drainMs: number;
  readonly callTimeoutMs: number;
}

type Tenure =
  | { readonly mode: 'free'; readonly retryAtMs: number }
  | { readonly mode: 'claiming' }
  | { readonly mode: 'owned' | 'leaving'; readonly epoch: number; renewAtMs: number; renewing: boolean }
  | { readonly mode: 'releasing' }
  | { readonly mode: 'halted' };

/** Parts of the lease time, so that all of it happens within one lease, and a join within half of one. */
const leaseTtlPart = 0.9;
const memberTtlPart = 0.8;
const renewPart = 1 / 6;
const heartbeatPart = 1 / 20;
const slowestHeartbeatMs = 500;
/** How long a drain settles before it asks whether another member can go on with the sealed set. */
const quickDrainMs = 400;
/** What closing takes beyond the last call, before the drain time is over. */
const closingMs = 1_000;

export class OwnershipCore {
  readonly #limits: OwnershipLimits;
  readonly #tenures: Tenure[];
  /** Highest epoch and set that this process has seen, per shard. */
  readonly #seen = new Map<number, { epoch: number; next: number }>();
  #members: readonly string[] = [];
  #mine: ReadonlySet<number> = new Set();
  #heartbeatAtMs = Number.NEGATIVE_INFINITY;
  #beating = false;
  #brokerLostAtMs: number | undefined = Number.NEGATIVE_INFINITY;
  #withdrawn = true;
  #leaving = false;
  /** When a leaving member asks for heirs, and hands over to them; undefined: it does not leave, or waits for the answer. */
  #heirsAtMs: number | undefined;
  #finished = false;
  #effects: OwnershipEffect[] = [];

  constructor(limits: OwnershipLimits) {
    this.#limits = limits;
    this.#tenures = Array.from({ length: limits.shards }, () => ({
      mode: 'free',
      retryAtMs: Number.NEGATIVE_INFINITY,
    }));
  }

  /** This consumer counts as a member: its heartbeat was answered and it has a broker. */
  get isMember(): boolean {
    return !this.#withdrawn && this.#members.includes(this.#limits.member);
  }

  get owned(): number[] {
    return this.#tenures.flatMap(({ mode }, shard) => (mode === 'owned' || mode === 'leaving' ? [shard] : []));
  }

  get members(): readonly string[] {
    return this.#members;
  }

  step(event: OwnershipEvent, nowMs: number): readonly OwnershipEffect[] {
    switch (event.type) {
      case 'ticked':
        break;
      case 'broker_changed':
        this.#brokerLostAtMs = event.connected ? undefined : (this.#brokerLostAtMs ?? nowMs);
        break;
      case 'heartbeat_answered':
        this.#beating = false;
        if (event.members !== undefined && !this.#withdrawn) this.#see(event.members);
        break;
      case 'claim_answered':
        this.#claimAnswered(event.shard, event.answer, event.askedAtMs, nowMs);
        break;
      case 'renew_answered':
        this.#renewAnswered(event, nowMs);
        break;
      case 'shard_ended':
        this.#shardEnded(event.shard, event.reason, event.next);
        break;
      case 'release_answered':
        if (this.#tenures[event.shard]?.mode === 'releasing')
          this.#tenures[event.shard] = { mode: 'free', retryAtMs: nowMs };
        break;
      case 'withdraw_answered':
        this.#withdrawAnswered(event.others, nowMs);
        break;
      case 'left':
        this.#leave(nowMs);
        break;
    }
    this.#advance(nowMs);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #see(members: readonly string[]): void {
    this.#members = [...members].sort();
    const owners = spread(this.#members, this.#limits.shards);
    const mine = new Set<number>();
    for (const [shard, owner] of owners) if (owner === this.#limits.member) mine.add(shard);
    this.#mine = mine;
  }

  #claimAnswered(shard: number, answer: ClaimAnswer | undefined, askedAtMs: number, nowMs: number): void {
    if (this.#tenures[shard]?.mode !== 'claiming') return;
    const { leaseMs } = this.#limits;
    if (answer === undefined) {
      // It may have been granted; then it frees itself when its time is over.
      this.#tenures[shard] = { mode: 'free', retryAtMs: nowMs + this.#heartbeatMs() };
      return;
    }
    if (!answer.granted) {
      this.#tenures[shard] = { mode: 'free', retryAtMs: nowMs + Math.min(answer.remainingMs + 1, this.#heartbeatMs()) };
      return;
    }
    const seen = this.#seen.get(shard);
    if (seen !== undefined && (answer.epoch <= seen.epoch || answer.next < seen.next)) {
      this.#halt(
        shard,
        `its journal is at epoch ${answer.epoch}, set ${answer.next}, after epoch ${seen.epoch}, set ${seen.next} was seen`,
      );
      return;
    }
    this.#seen.set(shard, { epoch: answer.epoch, next: answer.next });
    const deadlineMs = askedAtMs + leaseMs * leaseTtlPart;
    this.#tenures[shard] = {
      mode: 'owned',
      epoch: answer.epoch,
      renewAtMs: askedAtMs + leaseMs * renewPart,
      renewing: false,
    };
    this.#effects.push({ type: 'start_shard', shard, epoch: answer.epoch, deadlineMs });
  }

  #renewAnswered(event: OwnershipEvent & { type: 'renew_answered' }, nowMs: number): void {
    const tenure = this.#tenures[event.shard];
    if (tenure === undefined || (tenure.mode !== 'owned' && tenure.mode !== 'leaving') || tenure.epoch !== event.epoch)
      return;
    tenure.renewing = false;
    const { leaseMs } = this.#limits;
    if (event.answer?.answer === 'ok') {
      tenure.renewAtMs = event.askedAtMs + leaseMs * renewPart;
      const deadlineMs = event.askedAtMs + leaseMs * leaseTtlPart;
      const { redisMs, replays = 0 } = event.answer;
      this.#effects.push({ type: 'lease_renewed', shard: event.shard, deadlineMs, redisMs, replays });
    } else {
      tenure.renewAtMs = nowMs + this.#heartbeatMs();
      // No answer: ask again. Stale: what it counts now would only be discarded at its next write.
      if (event.answer?.answer === 'stale') this.#effects.push({ type: 'lease_lost', shard: event.shard });
    }
  }

  #shardEnded(shard: number, reason: EndReason, next: number): void {
    const tenure = this.#tenures[shard];
    if (tenure === undefined || (tenure.mode !== 'owned' && tenure.mode !== 'leaving')) return;
    const seen = this.#seen.get(shard);
    if (seen !== undefined) seen.next = Math.max(seen.next, next);
    switch (reason) {
      case 'released':
      case 'lease_expired':
      case 'stale':
      case 'refused':
        // If it is claimed again, then under a new epoch, before the journal is read (invariant 2).
        this.#tenures[shard] = { mode: 'releasing' };
        this.#effects.push({ type: 'release', shard, epoch: tenure.epoch });
        break;
      case 'mismatch':
        this.#halt(shard, 'its journal holds another flush set than the one that was committed');
        break;
    }
  }

  #halt(shard: number, reason: string): void {
    this.#tenures[shard] = { mode: 'halted' };
    this.#effects.push({ type: 'halt', shard, reason });
  }

  #leave(nowMs: number): void {
    if (this.#leaving) return;
    this.#leaving = true;
    const { drainMs, callTimeoutMs } = this.#limits;
    const settleMs = Math.max(0, drainMs - callTimeoutMs - closingMs);
    this.#heirsAtMs = nowMs + Math.min(quickDrainMs, settleMs);
    this.#withdraw();
    this.#drain(nowMs + settleMs);
  }

  #drain(deadlineMs: number): void {
    this.#tenures.forEach((tenure, shard) => {
      if (tenure.mode !== 'owned' && tenure.mode !== 'leaving') return;
      this.#tenures[shard] = { ...tenure, mode: 'leaving' };
      this.#effects.push({ type: 'drain', shard, deadlineMs });
    });
  }

  /** Members that were told to end at the same moment are no heirs: each of them settles what it has, as the last one does. */
  #withdrawAnswered(others: readonly string[] | undefined, nowMs: number): void {
    if (!this.#leaving || this.#heirsAtMs !== undefined) return;
    if (others === undefined || others.length > 0) this.#drain(nowMs);
    else this.#heirsAtMs = nowMs + this.#heartbeatMs();
  }

  #withdraw(): void {
    if (this.#withdrawn) return;
    this.#withdrawn = true;
    this.#mine = new Set();
    this.#effects.push({ type: 'withdraw' });
  }

  #advance(nowMs: number): void {
    this.#keepMembership(nowMs);
    if (this.#heirsAtMs !== undefined && nowMs >= this.#heirsAtMs && !this.#finished) {
      this.#heirsAtMs = undefined;
      this.#effects.push({ type: 'withdraw' });
    }
    this.#tenures.forEach((tenure, shard) => {
      switch (tenure.mode) {
        case 'free':
          if (this.#mine.has(shard) && !this.#leaving && nowMs >= tenure.retryAtMs) {
            this.#tenures[shard] = { mode: 'claiming' };
            this.#effects.push({ type: 'claim', shard, ttlMs: this.#leaseTtlMs() });
          }
          break;
        case 'owned':
        case 'leaving':
          this.#keepLease(tenure, shard, nowMs);
          break;
        case 'claiming':
        case 'releasing':
        case 'halted':
          break;
      }
    });
    const over = this.#tenures.every(({ mode }) => mode === 'free' || mode === 'halted');
    if (this.#leaving && !this.#finished && over) {
      this.#finished = true;
      this.#effects.push({ type: 'finished' });
    }
  }

  #keepMembership(nowMs: number): void {
    if (this.#leaving) return;
    const brokerLess = this.#brokerLostAtMs !== undefined;
    if (brokerLess && nowMs - (this.#brokerLostAtMs ?? nowMs) >= this.#limits.leaseMs) this.#withdraw();
    if (!brokerLess) this.#withdrawn = false;
    if (this.#withdrawn || this.#beating || nowMs < this.#heartbeatAtMs) return;
    this.#beating = true;
    this.#heartbeatAtMs = nowMs + this.#heartbeatMs();
    this.#effects.push({ type: 'heartbeat', ttlMs: Math.round(this.#limits.leaseMs * memberTtlPart) });
  }

  #keepLease(tenure: Tenure & { mode: 'owned' | 'leaving' }, shard: number, nowMs: number): void {
    if (tenure.mode === 'owned' && !this.#mine.has(shard)) {
      this.#tenures[shard] = { ...tenure, mode: 'leaving' };
      this.#effects.push({ type: 'hand_over', shard });
    }
    const current = this.#tenures[shard];
    if (current === undefined || (current.mode !== 'owned' && current.mode !== 'leaving')) return;
    if (current.renewing || nowMs < current.renewAtMs) return;
    current.renewing = true;
    this.#effects.push({ type: 'renew', shard, epoch: current.epoch, ttlMs: this.#leaseTtlMs() });
  }

  #leaseTtlMs(): number {
    return Math.round(this.#limits.leaseMs * leaseTtlPart);
  }

  #heartbeatMs(): number {
    return Math.min(slowestHeartbeatMs, this.#limits.leaseMs * heartbeatPart);
  }
}
