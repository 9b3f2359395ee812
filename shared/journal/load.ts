import { decodeEntries, decodeParked, decodeRuns, decodeSettled, formatOf, JournalFormatError } from './format.ts';
import type { IdSet, PendingSet, SettledAs, ShardState, SlotIds } from './journal.ts';
import type { ShardKeys } from './keys.ts';
import type { Reply, ScriptArgument } from '../redis/script.ts';

/** Runs a script that starts by checking the lease. */
export type FencedRun = (
  name: 'load-head' | 'load-hash' | 'load-ids',
  keys: readonly string[],
  args: readonly ScriptArgument[],
) => Promise<Reply>;

/** Redis answers nobody else while a script runs, so a big shard is read in pieces of some milliseconds each. */
const fieldsPerPiece = 2_000;
const idBytesPerPiece = 8 * 1024 * 1024;
const idFieldsPerPiece = 5_000;

/** Thrown between the pieces of a load, and caught where it began. */
class LeaseLost extends Error {}

/**
 * Reads everything that the next owner of a shard starts from. Between the pieces nothing can change: only the lease's
 * holder writes, that is the caller, and every piece is refused once the lease is lost.
 */
export async function loadShard(keys: ShardKeys, run: FencedRun): Promise<ShardState | 'stale'> {
  const fenced: FencedRun = async (name, scriptKeys, args) => {
    const reply = await run(name, [keys.lease, ...scriptKeys], args);
    if (reply.text(0) === 'stale') throw new LeaseLost();
    return reply;
  };
  try {
    const { pending, ...head } = await loadHead(keys, fenced);
    const cursors = await loadHash(keys.cursors, fenced);
    const deferred = [...(await loadHash(keys.deferred, fenced)).values()].map(decodeParked);
    const idSets = await loadIdSets(keys, fenced);
    return { ...head, cursors, deferred, idSets, ...(pending === undefined ? {} : { pending }) };
  } catch (error) {
    if (error instanceof LeaseLost) return 'stale';
    throw error;
  }
}

interface Head {
  readonly redisMs: number;
  readonly next: number;
  readonly pending: PendingSet | undefined;
}

async function loadHead(keys: ShardKeys, run: FencedRun): Promise<Head> {
  const reply = await run('load-head', [keys.head, keys.set, keys.marks, keys.progress], []);
  const head = reply.list(2);
  if (head.isNull(0) || formatOf(head.text(0)) === undefined) {
    throw new JournalFormatError('The journal of a shard', head.isNull(0) ? 'none' : head.text(0));
  }
  const numbers = { redisMs: reply.integer(1), next: head.integer(1) };
  if (head.isNull(4) || head.text(4) !== 'pending') return { ...numbers, pending: undefined };
  const pending = {
    set: head.integer(2),
    token: head.text(3),
    entries: await decodeEntries(reply.bytes(3)),
    attemptedAtMs: earliestMarks(reply.list(4).texts()),
    settled: new Map<number, SettledAs>(
      reply
        .list(5)
        .texts()
        .flatMap((text) => [...decodeSettled(text)]),
    ),
    progressWrites: reply.list(5).length,
  };
  return { ...numbers, pending };
}

export function earliestMarks(marks: readonly string[]): Map<number, number> {
  const earliest = new Map<number, number>();
  for (const mark of marks) {
    const [time = '', runs = ''] = mark.split('|');
    const atMs = Number(time);
    for (const index of decodeRuns(runs)) earliest.set(index, Math.min(atMs, earliest.get(index) ?? atMs));
  }
  return earliest;
}

async function loadHash(key: string, run: FencedRun): Promise<Map<string, string>> {
  const fields = new Map<string, string>();
  let cursor = '0';
  do {
    const reply = await run('load-hash', [key], [cursor, fieldsPerPiece]);
    cursor = reply.text(1);
    const piece = reply.list(2).texts();
    for (let at = 0; at + 1 < piece.length; at += 2) fields.set(piece[at] ?? '', piece[at + 1] ?? '');
  } while (cursor !== '0');
  return fields;
}

async function loadIdSets(keys: ShardKeys, run: FencedRun): Promise<IdSet[]> {
  const known = [...(await loadHash(keys.idSets, run))].map(([number, description]) => {
    const [slots = '', settledAt = ''] = description.split('|');
    return { set: Number(number), slots: slots.split(',').map(Number), settledAt };
  });
  known.sort((left, right) => left.set - right.set);
  const bytes = await loadIds(
    keys,
    known.flatMap(({ set, slots }) => slots.map((slot) => `${set}:${slot}`)),
    run,
  );
  return known.map(({ set, slots, settledAt }) => {
    const ids: SlotIds[] = slots.map((slot) => ({ slot, bytes: bytes.get(`${set}:${slot}`) ?? Buffer.alloc(0) }));
    return settledAt === '' ? { set, ids } : { set, settledAtMs: Number(settledAt), ids };
  });
}

async function loadIds(keys: ShardKeys, fields: readonly string[], run: FencedRun): Promise<Map<string, Buffer>> {
  const bytes = new Map<string, Buffer>();
  while (bytes.size < fields.length) {
    const wanted = fields.slice(bytes.size, bytes.size + idFieldsPerPiece);
    const values = (await run('load-ids', [keys.ids], [idBytesPerPiece, ...wanted])).list(1);
    for (const [index, field] of wanted.slice(0, values.length).entries()) {
      if (values.isNull(index)) {
        throw new Error(
          `The remembered ids ${field} are missing in Redis, although their set names them: Redis lost writes. ` +
            'Usage with these ids could be counted twice, so the shard stops. Run tallyman recover.',
        );
      }
      bytes.set(field, values.bytes(index));
    }
  }
  return bytes;
}
