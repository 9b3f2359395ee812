import {
  decodeParked,
  encodeEntries,
  encodeParked,
  encodeRuns,
  encodeSettled,
  formatOf,
  type JournalFormat,
  JournalFormatError,
  newestFormat,
} from './format.ts';
import type {
  Addition,
  CommitAnswer,
  DeferredEnding,
  LeaseAnswer,
  ParkedEntry,
  PeekAnswer,
  ReadRecord,
  SetAnswer,
  SetCommit,
  SettledAs,
  ShardJournal,
  SumsAnswer,
  TakeAnswer,
  TotalsAnswer,
} from './journal.ts';
import { type ShardKeys, shardKeys } from './keys.ts';
import { loadShard } from './load.ts';
import { readScripts } from './lua.ts';
import { type Reply, runScript, type Script, type ScriptArgument, type ScriptClient } from '../redis/script.ts';

/**
 * The journal of one shard in Redis. Every method is one Lua script, but for `load`, which reads in pieces and is refused at
 * any of them once the lease is lost. What the keys are, how big they get and how long they live is in the README.
 *
 * The handle keeps two things: the name that it claimed with, because a lease is an epoch *and* its owner (if Redis loses
 * writes one epoch may be given twice, and only the last owner may write); and for each commit the bytes that were
 * sent, because a repetition must be the same bytes (invariant 2). So one handle claims and writes.
 *
 * Rejections are ioredis' own ("no answer"), or say that the stored format is unknown.
 */
export interface RedisJournalOptions {
  /** Commands must not be sent again after a reconnect (`autoResendUnfulfilledCommands: false`): the caller repeats them. */
  readonly redis: ScriptClient;
  readonly namespace: string;
  readonly shard: number;
  /** How many shards the claimer knows of: refused once the cluster has another number. Absent: claims whatever it is. */
  readonly shards?: number;
  /** In which format the cluster writes, as far as is known now. It only rises. */
  readonly format: () => JournalFormat;
}

export function createRedisJournal(options: RedisJournalOptions): ShardJournal {
  return new RedisJournal(options);
}

/** For looking up what was billed; the hourly totals stay for longer. */
const settledKeptMs = 7 * 24 * 3_600_000;
/**
 * After the last commit of the month: three invoices. The owner needs a month for as long as its events may come, 35 days and what
 * the broker keeps of them.
 */
const totalsKeptMs = 100 * 24 * 3_600_000;
const totalsPerPiece = 2_000;
const sumsPerPiece = 1_000;
/** After the last one of the month that was added to. */
const sumsKeptMs = 35 * 24 * 3_600_000;
/** After the last entry of the month: longer than a year, for whoever looks back at a bill. */
export const closedKeptMs = 400 * 24 * 3_600_000;

const scriptNames = [
  'claim',
  'renew',
  'release',
  'load-head',
  'load-hash',
  'load-ids',
  'read-totals',
  'read-sums',
  'commit',
  'mark',
  'progress',
  'complete',
  'settle-deferred',
  'peek-replays',
  'take-replays',
] as const;
type ScriptName = (typeof scriptNames)[number];

/** Read once, when the first journal is made: a missing file shows then, not at the first commit. */
let scripts: Readonly<Record<ScriptName, Script>> | undefined;

class RedisJournal implements ShardJournal {
  readonly #redis: ScriptClient;
  readonly #shard: number;
  readonly #shards: number | '';
  readonly #clusterFormat: () => JournalFormat;
  readonly #keys: ShardKeys;
  readonly #scripts: Readonly<Record<ScriptName, Script>>;
  readonly #commits = new WeakMap<SetCommit, Promise<WrittenCommit>>();
  #owner: string | undefined;
  /** As the shard's head says: nothing newer is written, or an older version could claim what it cannot read. */
  #format: JournalFormat | undefined;

  constructor({ redis, namespace, shard, shards, format }: RedisJournalOptions) {
    this.#redis = redis;
    this.#shard = shard;
    this.#shards = shards ?? '';
    this.#clusterFormat = format;
    this.#keys = shardKeys(namespace, shard);
    scripts ??= readScripts(scriptNames);
    this.#scripts = scripts;
  }

  async claim(owner: string, ttlMs: number) {
    this.#owner = owner;
    const { lease, head, totals } = this.#keys;
    const reply = await this.#run(
      'claim',
      [lease, head, totals],
      [owner, ttlMs, newestFormat, this.#shards, this.#clusterFormat(), totalsKeptMs],
    );
    switch (reply.text(0)) {
      case 'held':
        return { granted: false, holder: reply.text(1), remainingMs: reply.integer(2) } as const;
      case 'format':
        throw new JournalFormatError(`The journal of shard ${this.#shard}`, reply.text(1));
      default:
        this.#format = this.#formatIn(reply, 4);
        return { granted: true, epoch: reply.integer(1), next: reply.integer(2), redisMs: reply.integer(3) } as const;
    }
  }

  async renew(epoch: number, ttlMs: number) {
    const { lease, replays, head, totals } = this.#keys;
    const args = [this.#held(epoch), ttlMs, this.#clusterFormat(), totalsKeptMs];
    const reply = await this.#run('renew', [lease, replays, head, totals], args);
    if (reply.text(0) === 'ok') this.#format = this.#formatIn(reply, 3);
    return { ...okOrStale(reply), replays: reply.integer(2) };
  }

  async release(epoch: number) {
    await this.#run('release', [this.#keys.lease], [this.#held(epoch)]);
  }

  async load(epoch: number) {
    const held = this.#held(epoch);
    return loadShard(this.#keys, (name, keys, args) => this.#run(name, keys, [held, ...args]));
  }

  async readTotals(epoch: number, fields: readonly string[]): Promise<TotalsAnswer> {
    const { lease, totals: before } = this.#keys;
    const totals = new Map<string, string>();
    let redisMs = 0;
    for (const [key, ofKey] of Map.groupBy(fields, (field) => this.#totalsKeyOf(field))) {
      for (let from = 0; from < ofKey.length; from += totalsPerPiece) {
        const piece = ofKey.slice(from, from + totalsPerPiece);
        const reply = await this.#run('read-totals', [lease, key, before], [this.#held(epoch), ...piece]);
        if (reply.text(0) === 'stale') return { answer: 'stale' };
        redisMs = reply.integer(1);
        const values = reply.list(2);
        for (const [index, field] of piece.entries()) if (!values.isNull(index)) totals.set(field, values.text(index));
      }
    }
    return { answer: 'ok', redisMs, totals };
  }

  #totalsKeyOf(field: string): string {
    if (this.#writes() < 2) return this.#keys.totals;
    return this.#keys.totalsOf(Number(field.slice(0, field.indexOf('/'))) * 1_000);
  }

  async commit(epoch: number, commit: SetCommit): Promise<CommitAnswer> {
    const { lease, head, set, cursors, ids, idSets } = this.#keys;
    let writing = this.#commits.get(commit);
    if (writing === undefined) {
      writing = this.#writeCommit(commit);
      this.#commits.set(commit, writing);
    }
    let written: WrittenCommit;
    try {
      written = await writing;
    } catch (error) {
      // Nothing of it was sent, so it need not be repeated as it was.
      this.#commits.delete(commit);
      throw error;
    }
    const keys = [lease, head, set, cursors, ids, idSets, ...written.totalsKeys];
    const reply = await this.#run('commit', keys, [this.#held(epoch), ...written.args]);
    const answer = reply.text(0);
    if (answer === 'stale' || answer === 'pending' || answer === 'number') return { answer };
    return { answer: 'ok', redisMs: reply.integer(1) };
  }

  async mark(epoch: number, set: number, token: string, entries: readonly number[]) {
    const { lease, head, marks } = this.#keys;
    const args = [this.#held(epoch), set, token, encodeRuns(entries)];
    return setAnswer(await this.#run('mark', [lease, head, marks], args));
  }

  async readSums(epoch: number, atMs: number, names: readonly string[]): Promise<SumsAnswer> {
    const { lease, sums: sumsKey, parked } = this.#keys;
    const sums = new Map<string, ReadRecord>();
    let count = 0;
    let redisMs = 0;
    // At least one piece: how many are parked is asked for in any case.
    for (let from = 0; from === 0 || from < names.length; from += sumsPerPiece) {
      const piece = names.slice(from, from + sumsPerPiece);
      const reply = await this.#run('read-sums', [lease, sumsKey(atMs), parked], [this.#held(epoch), ...piece]);
      if (reply.text(0) === 'stale') return { answer: 'stale' };
      redisMs = reply.integer(1);
      count = reply.integer(2);
      const texts = reply.list(3);
      for (const [index, name] of piece.entries()) {
        if (texts.isNull(index)) continue;
        const text = texts.text(index);
        sums.set(name, { record: decodeParked(text), text });
      }
    }
    return { answer: 'ok', redisMs, parked: count, sums };
  }

  async progress(
    epoch: number,
    set: number,
    token: string,
    settled: ReadonlyMap<number, SettledAs>,
    parked: readonly ParkedEntry[],
    additions: readonly Addition[] = [],
  ) {
    const { lease, head, progress, deferred, parked: parkedKey, sums } = this.#keys;
    const [waiting, ended] = [parked.filter(isDeferred), parked.filter((entry) => !isDeferred(entry))];
    const args = [
      this.#held(epoch),
      set,
      token,
      encodeSettled(settled),
      ...this.#parkedList(waiting),
      ...this.#parkedList(ended),
      sumsKeptMs,
      ...additions.flatMap((addition) => this.#addition(addition)),
    ];
    // As its keys were read.
    const sumsKey = sums(additions[0]?.own.parkedAtMs ?? 0);
    return setAnswer(await this.#run('progress', [lease, head, progress, deferred, parkedKey, sumsKey], args));
  }

  async complete(epoch: number, set: number, token: string, progressWrites: number) {
    const { lease, head, set: pending, settled, marks, progress, idSets } = this.#keys;
    const keys = [lease, head, pending, settled(set), marks, progress, idSets];
    const args = [this.#held(epoch), set, token, settledKeptMs, progressWrites];
    return setAnswer(await this.#run('complete', keys, args));
  }

  async settleDeferred(epoch: number, identifier: string, outcome: DeferredEnding) {
    const { lease, deferred, parked, closed } = this.#keys;
    const ending = outcome === 'accepted' ? ['accepted', ''] : [outcome.state, encodeParked(outcome, this.#writes())];
    const keys = [lease, deferred, parked, closed(outcome === 'accepted' ? 0 : outcome.parkedAtMs)];
    const args = [this.#held(epoch), identifier, ...ending, closedKeptMs];
    return okOrStale(await this.#run('settle-deferred', keys, args));
  }

  async peekReplays(epoch: number, max: number): Promise<PeekAnswer> {
    const { lease, replays } = this.#keys;
    const reply = await this.#run('peek-replays', [lease, replays], [this.#held(epoch), max]);
    if (reply.text(0) === 'stale') return { answer: 'stale' };
    return { answer: 'ok', redisMs: reply.integer(1), replays: reply.list(2).texts().map(decodeParked) };
  }

  async takeReplays(epoch: number, taken: readonly ParkedEntry[]): Promise<TakeAnswer> {
    const { lease, replays, deferred } = this.#keys;
    const fields = taken.flatMap((replay) => [replay.entry.identifier, encodeParked(replay, this.#writes())]);
    const reply = await this.#run('take-replays', [lease, replays, deferred], [this.#held(epoch), ...fields]);
    if (reply.text(0) === 'stale') return { answer: 'stale' };
    return { answer: 'ok', redisMs: reply.integer(1), taken: reply.list(2).texts() };
  }

  /** The value of the lease's key while this handle holds it under `epoch`. */
  #held(epoch: number): string {
    if (this.#owner === undefined) {
      throw new Error(
        `Shard ${this.#shard} was never claimed through this journal handle: claim and write with the same one.`,
      );
    }
    return `${epoch}|${this.#owner}`;
  }

  async #writeCommit(commit: SetCommit): Promise<WrittenCommit> {
    const format = this.#writes();
    const byKey = Map.groupBy(commit.totals, ([field]) => this.#totalsKeyOf(field));
    const totals = [...byKey.values()].flatMap((ofKey) => lengthAnd(ofKey.flat()));
    const keptMs = format < 2 ? '' : totalsKeptMs;
    return { totalsKeys: [...byKey.keys()], args: [...(await commitArguments(commit, format)), keptMs, ...totals] };
  }

  #formatIn(reply: Reply, index: number): JournalFormat {
    const format = formatOf(reply.text(index));
    if (format === undefined) throw new JournalFormatError(`The journal of shard ${this.#shard}`, reply.text(index));
    return format;
  }

  #writes(): JournalFormat {
    if (this.#format === undefined) throw new Error(`Shard ${this.#shard} was never granted to this journal handle.`);
    return this.#format;
  }

  #parkedList(parked: readonly ParkedEntry[]): ScriptArgument[] {
    return lengthAnd(parked.flatMap((entry) => [entry.entry.identifier, encodeParked(entry, this.#writes())]));
  }

  #addition({ key, to, own }: Addition): ScriptArgument[] {
    const format = this.#writes();
    const added = to === undefined ? ['', '', ''] : [to.record.entry.identifier, to.text, encodeParked(to.sum, format)];
    return [key, ...added, own.entry.identifier, encodeParked(own, format)];
  }

  #run(name: ScriptName, keys: readonly string[], args: readonly ScriptArgument[]): Promise<Reply> {
    return runScript(this.#redis, this.#scripts[name], keys, args);
  }
}

/** A commit as it is sent, and repeated: for each of these keys there is a list of totals at the end. */
interface WrittenCommit {
  readonly totalsKeys: readonly string[];
  readonly args: readonly ScriptArgument[];
}

/** The arguments of `commit.lua` after the lease, but for the totals. */
async function commitArguments(commit: SetCommit, format: JournalFormat): Promise<ScriptArgument[]> {
  const { set, token, entries, cursors, forgottenCursors, ids, forgottenIdSets } = commit;
  const idFields = ids.flatMap(({ slot, bytes }) => [
    `${set}:${slot}`,
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  ]);
  return [
    set,
    token,
    await encodeEntries(entries, format),
    ...lengthAnd(forgottenCursors),
    ...lengthAnd(forgottenIdSets),
    ...lengthAnd([...cursors].flat()),
    ...lengthAnd(idFields),
    ids.map(({ slot }) => slot).join(','),
  ];
}

function lengthAnd(list: readonly ScriptArgument[]): ScriptArgument[] {
  return [list.length, ...list];
}

function isDeferred({ state }: ParkedEntry): boolean {
  return state === 'deferred';
}

function okOrStale(reply: Reply): LeaseAnswer {
  return { answer: reply.text(0) === 'ok' ? 'ok' : 'stale', redisMs: reply.integer(1) };
}

function setAnswer(reply: Reply): SetAnswer {
  const answer = reply.text(0);
  if (answer === 'stale' || answer === 'mismatch') return { answer };
  return { answer: 'ok', redisMs: reply.integer(1) };
}
