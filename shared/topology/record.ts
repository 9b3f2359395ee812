import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { formatOf, type JournalFormat, newestFormat, oldestFormat } from '../journal/format.ts';
import { topologyKey } from './names.ts';
import { slotMap } from './slots.ts';
import { counted } from '../log/troubles.ts';

/**
 * What was declared on the broker, as Redis remembers it. The record and the exchange are made together: one without
 * the other means that Redis or the broker has lost its data (invariant 8).
 */
export interface Topology {
  /** 128 random bits, hex: part of every identifier at the provider. Another one means that Redis started anew. */
  readonly incarnation: string;
  /** Of the record and of what is written into journals: a version that does not read it cannot join (`journal-format.ts`). */
  readonly format: JournalFormat;
  readonly shards: number;
  /** Shard of each slot. */
  readonly slots: readonly number[];
  /** Redis time at which this incarnation was made. */
  readonly createdAtMs: number;
  /** Whether everything was declared on the broker once; false after a crash in between. */
  readonly declared: boolean;
  /** Only while the number of shards is being changed (`reshard.ts`). */
  readonly resharding?: Resharding;
}

export interface Resharding {
  readonly to: number;
  /** `paused`: nothing is routed to any shard, and it can still be undone. `moving`: journals are being changed. */
  readonly phase: 'paused' | 'moving';
}

/** Tells two topologies apart for somebody who works with one of them. */
export function topologyName({ incarnation, shards }: Pick<Topology, 'incarnation' | 'shards'>): string {
  return `${incarnation}/${shards}`;
}

/** What the topology is and what was asked for do not go together, or a stored part of it cannot be trusted. */
export class TopologyError extends Error {
  readonly code = 'topology';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'TopologyError';
    this.faults = faults;
  }
}

/** Throws a `TopologyError` when there is a record that this version cannot read. */
export async function readTopology(redis: Redis, namespace: string): Promise<Topology | 'missing'> {
  const stored = await redis.hgetall(topologyKey(namespace));
  const { incarnation = '', format, shards, slots, createdAt, declared, resharding = '' } = stored;
  const [phase, to] = resharding.split(' ');
  // Without a readable incarnation the rest is worth nothing: it counts as lost.
  if (!/^[0-9a-f]{32}$/.test(incarnation)) return 'missing';
  const readable = formatOf(format);
  if (readable === undefined) {
    throw new TopologyError([
      `The topology of ${namespace} is stored in format ${format}, and this version reads formats ${oldestFormat} and ${newestFormat} only. ` +
        'Nothing was changed. Run the version that wrote it, or a newer one.',
    ]);
  }
  return {
    incarnation,
    format: readable,
    shards: Number(shards),
    slots: (slots ?? '').split(',').map(Number),
    createdAtMs: Number(createdAt),
    declared: declared === '1',
    ...(phase === 'paused' || phase === 'moving' ? { resharding: { phase, to: Number(to) } } : {}),
  };
}

/**
 * A new incarnation, written whole in one write. Whoever has read the old one stops. `format`: of a cluster whose record names
 * none; any other keeps what it has, because its members and journals do.
 */
export async function writeTopology(
  redis: Redis,
  namespace: string,
  { shards, declared, format = newestFormat }: Pick<Topology, 'shards' | 'declared'> & { format?: JournalFormat },
): Promise<Topology> {
  const [seconds] = await redis.time();
  const kept = await redis.hget(topologyKey(namespace), 'format');
  const topology: Topology = {
    incarnation: randomBytes(16).toString('hex'),
    format: formatOf(kept ?? format) ?? format,
    shards,
    slots: slotMap(shards),
    createdAtMs: Number(seconds) * 1_000,
    declared,
  };
  await redis.hset(topologyKey(namespace), {
    incarnation: topology.incarnation,
    format: topology.format,
    shards,
    slots: topology.slots.join(','),
    createdAt: topology.createdAtMs,
    declared: declared ? 1 : 0,
  });
  return topology;
}

export async function writeResharding(redis: Redis, namespace: string, { phase, to }: Resharding): Promise<void> {
  await redis.hset(topologyKey(namespace), 'resharding', `${phase} ${to}`);
}

export async function endResharding(redis: Redis, namespace: string): Promise<void> {
  await redis.hdel(topologyKey(namespace), 'resharding');
}

/** The cluster has another number of shards from now on, in one write; the incarnation stays. */
export async function writeShards(redis: Redis, namespace: string, shards: number): Promise<void> {
  await redis
    .multi()
    .hset(topologyKey(namespace), { shards, slots: slotMap(shards).join(','), declared: 0 })
    .hdel(topologyKey(namespace), 'resharding')
    .exec();
}

export async function markDeclared(redis: Redis, namespace: string): Promise<void> {
  await redis.hset(topologyKey(namespace), 'declared', 1);
}

/** How the stored topology differs from what this cluster is configured to be; empty when it does not. */
export function differences(topology: Topology, shards: number): string[] {
  const { resharding } = topology;
  if (resharding?.phase === 'moving') {
    return [
      `The cluster is being given ${counted(resharding.to, 'shard')} instead of ${topology.shards}, and nothing may be counted before that is done. ` +
        `Usage waits in the publishers. Run tallyman topology --reshard ${resharding.to}: it goes on where it was.`,
    ];
  }
  if (topology.shards !== shards) {
    return [
      `The topology has ${counted(topology.shards, 'shard')}, TALLYMAN_SHARDS says ${shards}. Another number would send lanes to ` +
        `other shards, where they could be counted twice. Set TALLYMAN_SHARDS=${topology.shards}, here and for every consumer.`,
    ];
  }
  const expected = slotMap(shards);
  const moved = expected.filter((shard, slot) => topology.slots[slot] !== shard).length;
  if (moved === 0 && topology.slots.length === expected.length) return [];
  return [
    `The topology maps ${moved} of ${expected.length} slots to other shards than this version does. Their lanes could be ` +
      'counted twice. Nothing was changed. Run the version that declared it.',
  ];
}
