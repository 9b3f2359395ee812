import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { slotOf } from '../event/lane.ts';
import { runScript, type Script, type ScriptArgument } from '../redis/script.ts';
import { decodeParked, type JournalFormat } from './format.ts';
import type { IdSet, ShardJournal, ShardState } from './journal.ts';
import { shardKeys } from './keys.ts';
import { readScripts } from './lua.ts';
import { createRedisJournal } from './redis-journal.ts';

/**
 * Carries what shards remember of slots over to the shards that own the slots next (invariant 11): cursors, event ids, deferred,
 * dead and in doubt entries, and those that wait for their replay. For whoever changes the number of shards while nothing is counted; every write is fenced by
 * the lease like a consumer's.
 *
 * Cursors and ids are copied as a flush set without entries, so that nothing new has to read or forget them. They stay where they
 * were, too: a copy in a shard that never sees the slot again does no harm, and is forgotten in its time. Entries must be
 * in one place, or two owners would send them: they are copied, then dropped. A crash in between leaves both, and the same call
 * again ends it. Hourly totals stay: they are sums, whichever shard made them.
 */
export interface HeldShard {
  readonly shard: number;
  readonly journal: ShardJournal;
  readonly epoch: number;
  /** Number of the set that it commits next. */
  next: number;
}

/** Leases of the mover: one name, so that a second run goes on where the first one was killed. */
export const mover = 'npm run topology -- --reshard';

/** While a script runs, Redis answers nobody else, and a script has no more than a million arguments. */
const cursorsPerPiece = 10_000;
export const entriesPerPiece = 1_000;

export interface Journals {
  readonly redis: Redis;
  readonly namespace: string;
}

/** Somebody else holds a shard, or took it: what was to be done needs everybody else to be away. */
export class ShardHeldError extends Error {
  readonly shard: number;
  readonly holder: string;

  constructor(shard: number, holder: string) {
    super(`Shard ${shard} is held by ${holder}.`);
    this.name = 'ShardHeldError';
    this.shard = shard;
    this.holder = holder;
  }
}

/** @throws {ShardHeldError} while a consumer, or one that died less than a lease ago, has it. */
export async function holdShard(
  { redis, namespace, format }: Journals & { readonly format: JournalFormat },
  shard: number,
  ttlMs: number,
): Promise<HeldShard> {
  const journal = createRedisJournal({ redis, namespace, shard, format: () => format });
  const claim = await journal.claim(mover, ttlMs);
  if (!claim.granted) throw new ShardHeldError(shard, claim.holder);
  return { shard, journal, epoch: claim.epoch, next: claim.next };
}

export async function renewShard({ shard, journal, epoch }: HeldShard, ttlMs: number): Promise<void> {
  if ((await journal.renew(epoch, ttlMs)).answer === 'stale') throw new ShardHeldError(shard, 'somebody else by now');
}

/**
 * Whether a set is pending. One without entries, as a mover that was killed may leave it, has nothing to send and is settled
 * here.
 */
export async function isPending(held: HeldShard): Promise<boolean> {
  const { shard, journal, epoch } = held;
  const state = await journal.load(epoch);
  if (state === 'stale') throw new ShardHeldError(shard, 'somebody else by now');
  if (state.pending === undefined) return false;
  const { set, token, entries, progressWrites } = state.pending;
  if (entries.length > 0) return true;
  const { answer } = await journal.complete(epoch, set, token, progressWrites);
  if (answer === 'stale') throw new ShardHeldError(shard, 'somebody else by now');
  return answer !== 'ok';
}

/** From now on only consumers that know of this number of shards may claim it. */
export async function fenceShards(journals: Journals, held: HeldShard, shards: number): Promise<void> {
  const { lease, head } = shardKeys(journals.namespace, held.shard);
  await runFenced(journals, held, 'fence-shards', [lease, head], [shards]);
}

/** Carries the slots for which `ownerOf` names another shard than `from`. Nothing may be pending in `from`. */
export async function moveSlots(
  journals: Journals,
  from: HeldShard,
  to: ReadonlyMap<number, HeldShard>,
  ownerOf: (slot: number) => number,
): Promise<void> {
  const state = await from.journal.load(from.epoch);
  if (state === 'stale') throw new ShardHeldError(from.shard, 'somebody else by now');
  if (state.pending !== undefined) throw new Error(`Shard ${from.shard} has a flush set pending, and cannot be moved.`);
  for (const next of to.values()) {
    if (next.shard === from.shard) continue;
    await copyMemory(state, next, (slot) => ownerOf(slot) === next.shard);
  }
  await moveEntries(journals, from, to, ownerOf);
}

async function copyMemory(state: ShardState, to: HeldShard, moves: (slot: number) => boolean): Promise<void> {
  const cursors = new Map([...state.cursors].filter(([key]) => moves(slotOfCursor(key))));
  const idSets = state.idSets.map(({ ids }) => ids.filter(({ slot }) => moves(slot))).filter((ids) => ids.length > 0);
  for (const piece of piecesOf([...cursors], cursorsPerPiece)) await commitEmpty(to, new Map(piece), []);
  for (const ids of idSets) await commitEmpty(to, new Map(), ids);
}

/** Cursors are named `<slot>/<producer>`. */
function slotOfCursor(key: string): number {
  return Number(key.slice(0, key.indexOf('/')));
}

async function commitEmpty(to: HeldShard, cursors: ReadonlyMap<string, string>, ids: IdSet['ids']): Promise<void> {
  const { journal, epoch } = to;
  const set = to.next;
  const token = randomBytes(16).toString('hex');
  const nothing = { entries: [], forgottenCursors: [], forgottenIdSets: [], totals: new Map() };
  const committed = await journal.commit(epoch, { set, token, cursors, ids, ...nothing });
  const settled = committed.answer === 'ok' ? await journal.complete(epoch, set, token, 0) : committed;
  if (settled.answer === 'stale') throw new ShardHeldError(to.shard, 'somebody else by now');
  if (settled.answer !== 'ok') throw new Error(`Shard ${to.shard} answered ${settled.answer} to its set ${set}.`);
  to.next++;
}

async function moveEntries(
  journals: Journals,
  from: HeldShard,
  to: ReadonlyMap<number, HeldShard>,
  ownerOf: (slot: number) => number,
): Promise<void> {
  const { redis, namespace } = journals;
  const [, ...places] = entryKeys(namespace, from.shard);
  const kept = await Promise.all(places.map((key) => readEntries(redis, key)));
  const newOwner = ([, text]: readonly [string, string]): number => ownerOf(slotOf(decodeParked(text).entry));
  for (const next of to.values()) {
    if (next.shard === from.shard) continue;
    const moved = kept.map((entries) => entries.filter((entry) => newOwner(entry) === next.shard));
    const identifiers = moved.flat().map(([identifier]) => identifier);
    for (const [place, entries] of moved.entries())
      for (const piece of piecesOf(entries, entriesPerPiece)) {
        const lists = moved.flatMap((_, other) => list(other === place ? piece : []));
        await runFenced(journals, next, 'adopt', entryKeys(namespace, next.shard), lists);
      }
    for (const piece of piecesOf(identifiers, entriesPerPiece))
      await runFenced(journals, from, 'disown', entryKeys(namespace, from.shard), piece);
  }
}

/** Nobody writes meanwhile, so that one that is met twice is the same. */
async function readEntries(redis: Redis, key: string): Promise<readonly (readonly [string, string])[]> {
  const entries = new Map<string, string>();
  let cursor = '0';
  do {
    const [next, fields] = await redis.hscan(key, cursor, 'COUNT', entriesPerPiece);
    cursor = next;
    for (let at = 0; at < fields.length; at += 2) entries.set(fields[at] ?? '', fields[at + 1] ?? '');
  } while (cursor !== '0');
  return [...entries];
}

function piecesOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, piece) =>
    all.slice(piece * size, (piece + 1) * size),
  );
}

function entryKeys(namespace: string, shard: number): readonly string[] {
  const { lease, deferred, parked, replays } = shardKeys(namespace, shard);
  return [lease, deferred, parked, replays];
}

function list(entries: readonly (readonly [string, string])[]): ScriptArgument[] {
  const flat = entries.flat();
  return [flat.length, ...flat];
}

const scriptNames = ['fence-shards', 'adopt', 'disown'] as const;
type ScriptName = (typeof scriptNames)[number];
let scripts: Readonly<Record<ScriptName, Script>> | undefined;

async function runFenced(
  { redis }: Journals,
  { shard, epoch }: HeldShard,
  name: ScriptName,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<void> {
  scripts ??= readScripts(scriptNames);
  const reply = await runScript(redis, scripts[name], keys, [`${epoch}|${mover}`, ...args]);
  if (reply.text(0) === 'stale') throw new ShardHeldError(shard, 'somebody else by now');
}
