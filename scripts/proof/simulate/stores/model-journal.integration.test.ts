import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type {
  Addition,
  Entry,
  ParkedEntry,
  ReadRecord,
  SettledAs,
  ShardJournal,
} from '../../../../shared/journal/journal.ts';
import { EntryBook } from '../../../../shared/journal/entry-book.ts';
import { openStates } from '../../../../shared/journal/entry-states.ts';
import { type JournalFormat, newestFormat, oldestFormat } from '../../../../shared/journal/format.ts';
import { createRedisJournal } from '../../../../shared/journal/redis-journal.ts';
import type { BackingService } from '../../../../shared/testing/backing-service.ts';
import { startRedis } from '../../../../shared/testing/redis.ts';
import { modelHandle, ModelShardJournal } from './model-journal.ts';

/**
 * The contract suite says what a journal must answer where somebody thought of it. Here both journals get the same random
 * calls of two consumers, old epochs, wrong numbers and repetitions among them, and must not differ in anything but time.
 */
let service: BackingService;
let redis: Redis;
beforeAll(async () => {
  // Not synced at every write: thousands of them, and nobody kills this Redis.
  service = await startRedis({ appendfsync: 'no' });
  redis = new Redis(service.url);
});
afterAll(async () => {
  redis.disconnect();
  await service.stop();
});

const ttlMs = 600_000;
const monthS = 31 * 86_400;
const states: SettledAs[] = ['accepted', 'dead', 'in_doubt', 'deferred'];

const consumer = fc.constantFrom(0, 1);
/** Added to the right epoch or set number: mostly nothing. */
const slip = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, 1) });
const token = fc.oneof({ weight: 6, arbitrary: fc.constant('t') }, { weight: 1, arbitrary: fc.constantFrom('u', 'v') });
const index = fc.nat({ max: 3 });

const call = fc.oneof(
  { weight: 2, arbitrary: fc.record({ method: fc.constant('claim' as const), consumer }) },
  { weight: 1, arbitrary: fc.record({ method: fc.constant('raise' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ method: fc.constantFrom('renew' as const, 'release' as const), consumer, slip }),
  },
  { weight: 2, arbitrary: fc.record({ method: fc.constant('load' as const), consumer, slip }) },
  {
    weight: 4,
    arbitrary: fc.record({
      method: fc.constant('commit' as const),
      consumer,
      slip,
      setSlip: slip,
      token,
      slots: fc.uniqueArray(index),
      forgotten: fc.uniqueArray(index),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      method: fc.constantFrom('mark' as const, 'progress' as const, 'complete' as const),
      consumer,
      slip,
      setSlip: slip,
      token,
      index,
      state: fc.constantFrom(...states),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      method: fc.constant('add' as const),
      consumer,
      slip,
      setSlip: slip,
      token,
      index,
      key: fc.constantFrom('a', 'b'),
      /** With what was read before, which may have changed since. */
      isStale: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      method: fc.constant('settleDeferred' as const),
      consumer,
      slip,
      index,
      replay: fc.nat({ max: 2 }),
      state: fc.constantFrom(...states),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      method: fc.constant('decide' as const),
      what: fc.constantFrom('replay' as const, 'discard' as const),
      index,
      replay: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ method: fc.constant('replays' as const), taken: fc.boolean(), consumer, slip }),
  },
);
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

it('answers every call as the real journal does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 5, maxLength: 40 }), async (calls) => {
      const namespace = randomUUID();
      const model = new ModelShardJournal();
      let nowMs = Date.now();
      const real = play(
        calls,
        (format) => createRedisJournal({ redis, namespace, shard: 0, format }),
        (what, identifier) => decideInRedis(namespace, what, identifier),
      );
      const modelled = play(
        calls,
        (format) =>
          modelHandle(
            model,
            () => nowMs++,
            () => ({ reads: newestFormat, writes: format() }),
          ),
        async (what, identifier) =>
          what === 'replay'
            ? model.replay(identifier, decision) !== undefined
            : model.close(identifier, 'discarded', decision),
      );
      expect(await modelled).toEqual(await real);
    }),
    { numRuns: 250 },
  );
}, 60_000);

const decision = { by: 'alice', why: 'w', atMs: 7 };

type Decide = (what: 'replay' | 'discard', identifier: string) => Promise<boolean>;

async function decideInRedis(namespace: string, what: 'replay' | 'discard', identifier: string): Promise<boolean> {
  const book = new EntryBook(redis, namespace);
  for await (const found of book.list(0, new Set(openStates))) {
    if (found.record.entry.identifier !== identifier) continue;
    const decided =
      what === 'replay' ? book.replay(0, [found], decision) : book.close(0, [found], 'discarded', decision);
    return (await decided).has(identifier);
  }
  return false;
}

type Open = (format: () => JournalFormat) => ShardJournal;

async function play(calls: readonly Call[], open: Open, decide: Decide): Promise<unknown[]> {
  let format = oldestFormat;
  const handles = [open(() => format), open(() => format)];
  const epochs = [0, 0];
  let next = 1;
  const answers: unknown[] = [];
  let seen: readonly ParkedEntry[] = [];
  let sums: ReadonlyMap<string, ReadRecord> = new Map();
  for (const made of calls) {
    if (made.method === 'decide') {
      answers.push(await decide(made.what, identifierOf(next - 1, made.index, made.replay)));
      continue;
    }
    if (made.method === 'raise') {
      format = newestFormat;
      continue;
    }
    const journal = handles[made.consumer];
    if (journal === undefined) continue;
    if (made.method === 'claim') {
      const claim = await journal.claim(`consumer-${made.consumer}`, ttlMs);
      if (claim.granted) epochs[made.consumer] = claim.epoch;
      answers.push(comparable(claim));
      continue;
    }
    const epoch = (epochs[made.consumer] ?? 0) + made.slip;
    if (epochs[made.consumer] === 0) continue;
    if (made.method === 'replays') {
      // Takes what was seen before, by whichever owner: repetitions and late copies among them.
      const answered = made.taken ? await journal.takeReplays(epoch, seen) : await journal.peekReplays(epoch, 10);
      if ('replays' in answered) seen = answered.replays;
      answers.push(comparable(answered));
      continue;
    }
    if (made.method === 'add') {
      const read = await journal.readSums(epoch, 5, ['a', 'b', 'c']);
      if (read.answer === 'ok' && !made.isStale) ({ sums } = read);
      // Texts differ: one has a version.
      answers.push(comparable(read.answer === 'ok' ? { ...read, sums: [...read.sums].map(recordOf) } : read));
      answers.push(comparable(await add(journal, epoch, next - 1 + made.setSlip, made, sums.get(made.key))));
      continue;
    }
    const answer = await answerOf(journal, epoch, next, made);
    if (made.method === 'commit' && answer !== undefined && 'answer' in answer && answer.answer === 'ok') {
      next = Math.max(next, next + made.setSlip + 1);
    }
    answers.push(comparable(answer));
  }
  return answers;
}

function recordOf([key, { record }]: readonly [string, ReadRecord]) {
  return [key, record];
}

function more({ record }: ReadRecord): ParkedEntry {
  return { ...record, entry: { ...record.entry, events: record.entry.events + 1 } };
}

function add(
  journal: ShardJournal,
  epoch: number,
  set: number,
  made: Call & { method: 'add' },
  read: ReadRecord | undefined,
) {
  const { meterId: _, ...entry } = entryOf(set, made.index);
  const own: ParkedEntry = { ...parkedOf(set, made.index, 'dead'), entry };
  const addition: Addition = {
    key: made.key,
    own,
    ...(read === undefined ? {} : { to: { ...read, sum: more(read) } }),
  };
  return journal.progress(epoch, set, made.token, new Map([[made.index, 'dead']]), [], [addition]);
}

type Write = Exclude<Call, { method: 'claim' | 'raise' | 'decide' | 'replays' | 'add' }>;

async function progressWritten(journal: ShardJournal, epoch: number): Promise<number> {
  const state = await journal.load(epoch);
  return state === 'stale' ? 0 : (state.pending?.progressWrites ?? 0);
}

async function answerOf(journal: ShardJournal, epoch: number, next: number, made: Write) {
  switch (made.method) {
    case 'renew':
      return journal.renew(epoch, ttlMs);
    case 'release':
      await journal.release(epoch);
      return undefined;
    case 'load': {
      const state = await journal.load(epoch);
      const totals = await journal.readTotals(
        epoch,
        [0, 1, 2, 3].map((slot) => `${slot * monthS}//total`),
      );
      return state === 'stale' ? { answer: state, totals } : { ...state, totals };
    }
    case 'commit': {
      const set = next + made.setSlip;
      return journal.commit(epoch, {
        set,
        token: made.token,
        entries: [0, 1, 2, 3].map((at) => entryOf(set, at)),
        cursors: new Map(made.slots.map((slot) => [`${slot}/p`, `${set}`])),
        forgottenCursors: made.forgotten.map((slot) => `${slot}/p`),
        ids: made.slots.map((slot) => ({ slot, bytes: Buffer.alloc(16, set) })),
        forgottenIdSets: made.forgotten.map((back) => set - back - 1),
        totals: new Map(made.slots.map((slot) => [`${slot * monthS}//total`, `${set}`])),
      });
    }
    case 'mark':
      return journal.mark(epoch, next - 1 + made.setSlip, made.token, [made.index]);
    case 'progress': {
      const set = next - 1 + made.setSlip;
      const parked = made.state === 'accepted' ? [] : [parkedOf(set, made.index, made.state)];
      return journal.progress(epoch, set, made.token, new Map([[made.index, made.state]]), parked);
    }
    case 'complete':
      return journal.complete(epoch, next - 1 + made.setSlip, made.token, await progressWritten(journal, epoch));
    case 'settleDeferred': {
      const set = next - 1;
      const outcome = made.state === 'accepted' ? made.state : parkedOf(set, made.index, made.state, made.replay);
      return journal.settleDeferred(epoch, identifierOf(set, made.index, made.replay), outcome);
    }
  }
}

function identifierOf(set: number, at: number, replay = 0): string {
  return `tm1-i-000-${set}-t-${at}${replay === 0 ? '' : `-r${replay}`}`;
}

function entryOf(set: number, at: number, replay = 0): Entry {
  const identifier = identifierOf(set, at, replay);
  return { identifier, customer: 'c', meter: 'm', meterId: 'i', value: '1', timestamp: 1, windowStartMs: 0, events: 1 };
}

function parkedOf(set: number, at: number, state: ParkedEntry['state'], replay = 0): ParkedEntry {
  return { entry: entryOf(set, at, replay), state, reason: 'r', attempts: 1, parkedAtMs: 5, set };
}

/** As JSON would have it, maps and lists in one order, without times. */
function comparable(answer: unknown): unknown {
  if (typeof answer === 'number') return answer > 1e12 ? 'a time' : answer;
  if (answer instanceof Uint8Array) return Buffer.from(answer).toString('hex');
  if (answer instanceof Map) return comparable(Object.fromEntries(answer));
  if (Array.isArray(answer)) {
    return answer.map(comparable).toSorted((left, right) => JSON.stringify(left).localeCompare(JSON.stringify(right)));
  }
  if (typeof answer !== 'object' || answer === null) return answer;
  const fields = Object.entries(answer).filter(([key]) => key !== 'remainingMs');
  return Object.fromEntries(
    fields.toSorted(([left], [right]) => left.localeCompare(right)).map(([key, value]) => [key, comparable(value)]),
  );
}
