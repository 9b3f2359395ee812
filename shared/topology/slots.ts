import { slotCount } from '../event/lane.ts';
import { weight } from './rendezvous.ts';

/** More shards than slots would leave queues without usage. */
export const maxShards = slotCount;

/**
 * Slot → shard (ARCHITECTURE.md 3.2): rendezvous with bounded load, built up from one shard to `shards`. Each new shard takes its
 * share, the floor of slots / shards, one by one from whichever shards have most, and of their slots the one for which its
 * own weight is greatest. So no shard ever has more than one slot above another, and going from N to N + 1 shards
 * moves the slots of the new shard and no other. A constant of topology format 1, with vectors in the tests: it is stored
 * when the topology is declared, and a different map is refused, because a lane that changes shard could count twice.
 */
export function slotMap(shards: number): number[] {
  if (!Number.isInteger(shards) || shards < 1 || shards > maxShards) {
    throw new RangeError(`shards must be a whole number from 1 to ${maxShards}, got ${shards}`);
  }
  const owners = new Array<number>(slotCount).fill(0);
  const loads = [slotCount];
  for (let joining = 1; joining < shards; joining++) {
    const share = Math.floor(slotCount / (joining + 1));
    for (let taken = 0; taken < share; taken++) {
      const slot = slotToTake(owners, loads, joining);
      const loser = owners[slot] ?? 0;
      loads[loser] = (loads[loser] ?? 0) - 1;
      owners[slot] = joining;
    }
    loads.push(share);
  }
  return owners;
}

/** Of the slots of the most loaded shards, the one with the greatest weight for the joining shard. */
function slotToTake(owners: readonly number[], loads: readonly number[], joining: number): number {
  const most = Math.max(...loads);
  let best = -1;
  let bestWeight = -1;
  for (const [slot, owner] of owners.entries()) {
    if (loads[owner] !== most) continue;
    const candidate = weight(`shard ${joining}`, `slot ${slot}`);
    if (candidate <= bestWeight) continue;
    best = slot;
    bestWeight = candidate;
  }
  return best;
}
