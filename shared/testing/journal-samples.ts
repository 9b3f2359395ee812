import { expect } from 'vitest';
import type { JournalFormat } from '../journal/format.ts';
import type {
  ClosedEntry,
  Decision,
  Entry,
  ParkedEntry,
  SetCommit,
  ShardJournal,
  ShardState,
} from '../journal/journal.ts';

/** Where the journal contract's tests take place, and what they are made of. */
export interface JournalGround {
  /** A handle as one more consumer has it, on the one shard of this ground. `format`: the cluster's; absent: the newest. */
  handle(format?: () => JournalFormat): ShardJournal;
  /** Waits until the journal's clock has gone on by at least this. */
  elapse(ms: number): Promise<void>;
  /** The entries that are dead or in doubt. */
  parked(): Promise<readonly ParkedEntry[]>;
  /** What a person does without a lease: answers whether the entry under this identifier was there for it. */
  replay(identifier: string, decision: Decision): Promise<boolean>;
  discard(identifier: string, decision: Decision): Promise<boolean>;
  closed(): Promise<readonly ClosedEntry[]>;
}

export const someTime: unknown = expect.any(Number);
export const ttlMs = 60_000;
export const token = 'a'.repeat(32);
export const otherToken = 'b'.repeat(32);

/** The rival owns the shard next: its epoch. */
export async function takenOver(from: ShardJournal, epoch: number, rival: ShardJournal): Promise<number> {
  await from.release(epoch);
  return claimed(rival, 'rival');
}

export async function claimed(journal: ShardJournal, owner: string, leaseMs = ttlMs): Promise<number> {
  const answer = await journal.claim(owner, leaseMs);
  if (!answer.granted) throw new Error(`the lease is held by ${answer.holder}`);
  return answer.epoch;
}

export async function loaded(journal: ShardJournal, epoch: number): Promise<ShardState> {
  const state = await journal.load(epoch);
  if (state === 'stale') throw new Error(`epoch ${epoch} is stale`);
  return state;
}

/** Everything of the state but the time at which it was read. */
export async function stateOf(journal: ShardJournal, epoch: number): Promise<Omit<ShardState, 'redisMs'>> {
  const { redisMs, ...state } = await loaded(journal, epoch);
  expect(redisMs).toBeGreaterThan(0);
  return state;
}

export async function committed(journal: ShardJournal, epoch: number, commit: SetCommit): Promise<void> {
  expect(await journal.commit(epoch, commit)).toMatchObject({ answer: 'ok', redisMs: someTime });
}

export async function settledSet(journal: ShardJournal, epoch: number, commit: SetCommit): Promise<void> {
  await committed(journal, epoch, commit);
  expect(await journal.complete(epoch, commit.set, commit.token, 0)).toMatchObject({ answer: 'ok' });
}

export async function totalsOf(
  journal: ShardJournal,
  epoch: number,
  fields: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const answer = await journal.readTotals(epoch, fields);
  if (answer.answer === 'stale') throw new Error(`epoch ${epoch} is stale`);
  return answer.totals;
}

export async function eventually<T>(ground: JournalGround, look: () => Promise<T | undefined>): Promise<T> {
  for (let waitedMs = 0; waitedMs < 5_000; waitedMs += 10) {
    const found = await look();
    if (found !== undefined) return found;
    await ground.elapse(10);
  }
  throw new Error('did not happen within 5 s of the journal’s clock');
}

export function timeOf(answer: Awaited<ReturnType<ShardJournal['mark']>>): number {
  if (answer.answer !== 'ok') throw new Error(`answered ${answer.answer}`);
  return answer.redisMs;
}

export function commitOf(set: number, by = token): SetCommit {
  return {
    set,
    token: by,
    entries: [entryOf(0)],
    cursors: new Map(),
    forgottenCursors: [],
    ids: [],
    forgottenIdSets: [],
    totals: new Map(),
  };
}

export function entryOf(index: number): Entry {
  return {
    identifier: `tm1-incarnation-000-1-token-${index}`,
    customer: `cus_${index}`,
    meter: 'calls',
    value: '1.5',
    timestamp: 1_795_316_400,
    windowStartMs: 1_795_316_400_000,
    events: 3,
  };
}

export function parkedOf(index: number, state: ParkedEntry['state']): ParkedEntry {
  return {
    entry: entryOf(index),
    state,
    reason: 'No such customer',
    attempts: 2,
    attemptedAtMs: 7,
    parkedAtMs: 9,
    set: 1,
  };
}

export function sorted(parked: readonly ParkedEntry[]): ParkedEntry[] {
  return parked.toSorted((left, right) => left.entry.identifier.localeCompare(right.entry.identifier));
}

/** `count` ids of 16 bytes with every byte value in them, so that nothing on the way may take them for text. */
export function idsOf(slot: number, count: number): { slot: number; bytes: Uint8Array } {
  const bytes = new Uint8Array(16 * count);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 7 + slot) & 0xff;
  return { slot, bytes };
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function plainIds(state: ShardState): object[] {
  return state.idSets.map(({ ids, ...set }) => ({
    ...set,
    slots: Object.fromEntries(ids.map(({ slot, bytes }) => [slot, hexOf(bytes)])),
  }));
}
