import { shardKeyPrefix } from '../topology/names.ts';

/** The Redis keys of one shard's journal, all in one hash slot. The README of this folder says what each holds. */
export interface ShardKeys {
  readonly lease: string;
  readonly head: string;
  readonly set: string;
  readonly marks: string;
  readonly progress: string;
  readonly cursors: string;
  readonly ids: string;
  readonly idSets: string;
  /** Of all hours, in format 1. */
  readonly totals: string;
  /** Of the hours of this UTC month, from format 2 on. */
  readonly totalsOf: (hourMs: number) => string;
  readonly deferred: string;
  readonly parked: string;
  readonly replays: string;
  /** What was parked in the UTC month of this time, and may be added to. */
  readonly sums: (atMs: number) => string;
  /** Of the UTC month of this time. */
  readonly closed: (atMs: number) => string;
  readonly settled: (set: number) => string;
}

export function shardKeys(namespace: string, shard: number): ShardKeys {
  const prefix = shardKeyPrefix(namespace, shard);
  return {
    lease: `${prefix}lease`,
    head: `${prefix}head`,
    set: `${prefix}set`,
    marks: `${prefix}marks`,
    progress: `${prefix}progress`,
    cursors: `${prefix}cursors`,
    ids: `${prefix}ids`,
    idSets: `${prefix}idsets`,
    totals: `${prefix}totals`,
    totalsOf: (hourMs) => `${prefix}totals:${monthOf(hourMs)}`,
    deferred: `${prefix}deferred`,
    parked: `${prefix}parked`,
    replays: `${prefix}replays`,
    sums: (atMs) => `${prefix}sums:${monthOf(atMs)}`,
    closed: (atMs) => `${prefix}closed:${monthOf(atMs)}`,
    settled: (set) => `${prefix}settled:${set}`,
  };
}

function monthOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 7);
}
