/** Names on the broker and in Redis (ARCHITECTURE.md 3.2, 3.3), all under one namespace so that clusters can share both. */

export function usageExchange(namespace: string): string {
  return `${namespace}.usage`;
}

/** Exchange and queue of messages that could not be parsed: both have this name. */
export function deadExchange(namespace: string): string {
  return `${namespace}.dead`;
}

export function shardName(shard: number): string {
  return String(shard).padStart(3, '0');
}

export function shardQueue(namespace: string, shard: number): string {
  return `${namespace}.shard.${shardName(shard)}`;
}

/** Prefix of one shard's Redis keys. The braces make it one hash slot, so that one script may touch them all. */
export function shardKeyPrefix(namespace: string, shard: number): string {
  return `${namespace}:{${namespace}:${shardName(shard)}}:`;
}

/** Prefix of the Redis keys that belong to the whole cluster and may be touched by one script. */
export function clusterKeyPrefix(namespace: string): string {
  return `${namespace}:{${namespace}}:`;
}

/** The Redis key of the topology's record. */
export function topologyKey(namespace: string): string {
  return `${clusterKeyPrefix(namespace)}topology`;
}

/** The Redis key of the cluster's members: a sorted set by the time when their heartbeat runs out. */
export function membersKey(namespace: string): string {
  return `${clusterKeyPrefix(namespace)}members`;
}

/** The Redis key of which journal format each member reads: a hash by member. The first version told nothing. */
export function memberFormatsKey(namespace: string): string {
  return `${clusterKeyPrefix(namespace)}member-formats`;
}

/** The Redis key of what each consumer sees, for `tallyman status`: a hash by consumer, member or not. */
export function consumerViewsKey(namespace: string): string {
  return `${clusterKeyPrefix(namespace)}consumer-views`;
}
