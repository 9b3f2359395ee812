import { fnv1a } from '../event/lane.ts';

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1996): every node has a weight of its own for every key, and the key goes to
 * the node with the greatest one. Everybody who knows the same nodes computes the same answer, without talking.
 */

/**
 * Weight of a node for a key: FNV-1a over `node NUL key`, then the finaliser of MurmurHash3. FNV-1a alone is not enough:
 * names that differ only in their last byte get hashes that differ in few bits, and one node would win whole runs of keys.
 * A constant of the topology's format: stored slot maps are checked against it.
 */
export function weight(node: string, key: string): number {
  let hash = fnv1a(`${node}\0${key}`);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

interface Bid {
  readonly member: string;
  readonly shard: number;
  readonly weight: number;
}

/**
 * Which member should own which shard: rendezvous with bounded imbalance, no member has more than one shard above another.
 * The heaviest pair of member and shard is matched first, then the next one that is still possible. The result
 * depends on the set of members only, not on their order; a member that joins or leaves moves few shards
 * beside its own. Empty without members.
 */
export function spread(members: Iterable<string>, shards: number): Map<number, string> {
  const names = [...new Set(members)].sort();
  const owners = new Map<number, string>();
  if (names.length === 0) return owners;
  const share = Math.floor(shards / names.length);
  let above = shards % names.length;
  const loads = new Map<string, number>();
  for (const { member, shard } of bids(names, shards)) {
    if (owners.has(shard)) continue;
    const load = loads.get(member) ?? 0;
    if (load > share || (load === share && above === 0)) continue;
    if (load === share) above--;
    loads.set(member, load + 1);
    owners.set(shard, member);
  }
  return owners;
}

function bids(names: readonly string[], shards: number): Bid[] {
  const all: Bid[] = [];
  for (const member of names) {
    for (let shard = 0; shard < shards; shard++) {
      all.push({ member, shard, weight: weight(member, String(shard)) });
    }
  }
  // The sort is stable and the names are sorted: equal weights are decided by name, then by shard.
  return all.sort((left, right) => right.weight - left.weight);
}
