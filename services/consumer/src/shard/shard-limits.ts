import type { SetBounds } from '../counting/open-set.ts';
import type { DriveLimits } from '../lanes/drive-limits.ts';
import type { Served } from '../lanes/served.ts';
import type { DeliveryLimits } from './deliveries.ts';

/** What a shard's core is told once, for its whole life. */
export interface ShardLimits extends DeliveryLimits {
  readonly shard: number;
  readonly incarnation: string;
  readonly windowMs: number;
  /** The longest window there may be; absent: they have one length. */
  readonly windowMaxMs?: number;
  /** So many entries of a set that are dead from the start are kept apart; absent: a thousand. */
  readonly refusedApartMax?: number;
  /** So many parked entries of a shard, and refused ones are added up by the day; absent: twenty thousand. */
  readonly parkedMax?: number;
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  /** How long the cursors of a producer outlive it; absent: 40 days. */
  readonly cursorLifeMs?: number;
  /** A call's longest duration: none starts when the lease may end before it. */
  readonly callTimeoutMs: number;
  readonly drive: DriveLimits;
  /** Shared by all shards of a consumer; absent: this one is alone. */
  readonly served?: Served;
  readonly set?: SetBounds;
}
