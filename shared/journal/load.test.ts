/** What the next owner of a shard starts from, read in pieces. Each piece is one answer of Redis, which the test gives. */
import { describe, expect, it } from 'vitest';
import { Reply } from '../redis/script.ts';
import { encodeEntries, encodeSettled, newestFormat } from './format.ts';
import type { Entry } from './journal.ts';
import { shardKeys } from './keys.ts';
import { earliestMarks, loadShard } from './load.ts';

const entry = (index: number): Entry => ({
  identifier: `tm1-incarnation-003-7-token-${index}`,
  customer: 'cus_1',
  meter: 'requests',
  value: '1',
  timestamp: 1_795_316_400,
  windowStartMs: 1_795_316_400_000,
  events: 1,
});

const keys = shardKeys('tallyman', 3);
const text = (value: string): Buffer => Buffer.from(value);

/** A journal with this pending set, and hashes that come in pieces of one field. */
async function load({
  marks = [],
  progress = [],
  hashes = {},
  staleAt,
}: {
  readonly marks?: readonly string[];
  readonly progress?: readonly string[];
  readonly hashes?: Readonly<Record<string, readonly (readonly [field: string, value: string])[]>>;
  readonly staleAt?: number;
}) {
  const entries = await encodeEntries([entry(0), entry(1)], newestFormat);
  const head = [String(newestFormat), '8', '7', 'token', 'pending'].map(text);
  let asked = 0;
  return loadShard(keys, async (name, [, key = ''], args) => {
    if (++asked === staleAt) return new Reply(name, [text('stale')]);
    switch (name) {
      case 'load-head':
        return new Reply(name, [text('ok'), 1_795_316_400_000, head, entries, marks.map(text), progress.map(text)]);
      case 'load-hash': {
        const fields = hashes[key] ?? [];
        const at = Number(args[0]);
        const next = at + 1 < fields.length ? at + 1 : 0;
        return new Reply(name, [text('ok'), text(String(next)), (fields[at] ?? []).map(text)]);
      }
      case 'load-ids':
        return new Reply(name, [text('ok'), []]);
    }
  });
}

describe('a pending set', () => {
  it('comes with what of it has ended already, from every progress write', async () => {
    const state = await load({
      progress: [encodeSettled(new Map([[0, 'accepted']])), encodeSettled(new Map([[1, 'dead']]))],
    });
    expect(state).toMatchObject({
      next: 8,
      pending: {
        set: 7,
        token: 'token',
        entries: [entry(0), entry(1)],
        settled: new Map([
          [0, 'accepted'],
          [1, 'dead'],
        ]),
        progressWrites: 2,
      },
    });
  });

  it('comes with the earliest attempt of each entry: from then on its outcome is unknown', async () => {
    const state = await load({ marks: ['2000|0-1', '1000|1'] });
    expect(state).toMatchObject({
      pending: {
        attemptedAtMs: new Map([
          [0, 2_000],
          [1, 1_000],
        ]),
      },
    });
    expect(earliestMarks(['1000|1', '2000|1'])).toEqual(new Map([[1, 1_000]]));
  });
});

it('reads a hash to its end, however many pieces it takes', async () => {
  const cursors = [1, 2, 3].map((slot) => [`${slot}/producer`, `1;1;${slot}`] as const);
  const state = await load({ hashes: { [keys.cursors]: cursors } });
  expect(state).toMatchObject({ cursors: new Map(cursors) });
});

it('is refused at whichever piece the lease is lost: what follows may be of another owner', async () => {
  for (let piece = 1; piece <= 4; piece++) expect(await load({ staleAt: piece })).toBe('stale');
});
