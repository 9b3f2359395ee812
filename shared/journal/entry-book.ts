import type { Redis } from 'ioredis';
import { slotCount } from '../event/lane.ts';
import { redisNowMs } from '../redis/clock.ts';
import { runScript } from '../redis/script.ts';
import {
  decodeClosed,
  decodeEntries,
  decodeParked,
  decodeSettled,
  encodeParked,
  formatOf,
  type JournalFormat,
  JournalFormatError,
  oldestFormat,
} from './format.ts';
import type { ClosedEntry, Decision, Entry, ParkedEntry } from './journal.ts';
import { type ShardKeys, shardKeys } from './keys.ts';
import { earliestMarks } from './load.ts';
import { closedStates, type EntryState, openStates } from './entry-states.ts';
import { readScripts } from './lua.ts';
import { mover } from './move.ts';
import { closedKeptMs } from './redis-journal.ts';
import { closedOf, firstIdentifier, placeOf, replayOf, replaysMax } from './replay.ts';

export interface FoundEntry {
  readonly shard: number;
  readonly state: EntryState;
  readonly record: ParkedEntry | ClosedEntry;
  /** As it stands in the journal: a decision about it is void once this has changed. */
  readonly text: string;
}

export interface EntryInSet {
  readonly entry: Entry;
  /** Otherwise its set is on its way, and it has not ended, or it was added up. */
  readonly isAccepted: boolean;
  /** It was never sent, and another parked entry has its amount. */
  readonly isAddedUp: boolean;
  /** First journaled attempt, Redis time; known only while the set is pending. */
  readonly attemptedAtMs?: number;
}

type Place = 'parked' | 'deferred' | 'replays' | 'closed';

interface Ways {
  readonly shard: number;
  readonly from: string;
  readonly to: string;
  readonly keepMs: number | undefined;
}

const fieldsPerPiece = 500;
const monthsKept = 14;

let scripts: ReturnType<typeof readScripts<'decide'>> | undefined;

/** Entries are being carried between shards just now, so nothing about them is decided. */
export class EntriesMovingError extends Error {
  readonly code = 'entries_moving';

  constructor(shard: number) {
    super(
      `The number of shards is being changed, and entries of shard ${shard} are on their way to another one. About those nothing was decided; run the same again when that is done.`,
    );
    this.name = 'EntriesMovingError';
  }
}

/** Where to look for entries of these states: closed ones stay where they were when the number of shards is changed. */
export function shardsToLookAt(states: ReadonlySet<EntryState>, shards: number): number[] {
  const isForClosed = closedStates.some((state) => states.has(state));
  return Array.from({ length: isForClosed ? slotCount : shards }, (_, shard) => shard);
}

/**
 * What the journals keep of single entries, for people: to look at, and to decide about. It holds no lease. Nothing is sent from
 * here (invariant 10): a replay is put down in the journal, and the owner of its shard takes it from there.
 *
 *   deferred ──owner──▶ dead, in doubt ──replay──▶ waiting ──owner──▶ deferred ──owner──▶ accepted
 *                           │                        └──discard──▶ discarded
 *                           └──discard, resolve──▶ discarded, billed
 *
 * Every decision is one atomic write, made only if the entry still is what its reader saw. So two people, or a person and the
 * owner, never both decide; and a run that was interrupted is just started again.
 */
export class EntryBook {
  readonly #redis: Redis;
  readonly #namespace: string;

  constructor(redis: Redis, namespace: string) {
    this.#redis = redis;
    this.#namespace = namespace;
  }

  /** Redis' clock, in whole milliseconds as the records have them. */
  async now(): Promise<number> {
    return Math.floor(await redisNowMs(this.#redis));
  }

  /** How many entries of a shard could be in these states: those with no more than some of them are counted with them. */
  async count(shard: number, states: ReadonlySet<EntryState>): Promise<number> {
    const keys = await this.#keysOf(shard, states);
    const lengths = await Promise.all(keys.map(({ key }) => this.#redis.hlen(key)));
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  /** How many entries of a shard are in doubt. They are parked among dead ones, so that all of those are read, and few decoded. */
  async countInDoubt(shard: number): Promise<number> {
    const { parked } = shardKeys(this.#namespace, shard);
    const inDoubt = new Set<string>();
    let cursor = '0';
    do {
      const [next, fields] = await this.#redis.hscan(parked, cursor, 'COUNT', fieldsPerPiece);
      cursor = next;
      for (let at = 1; at < fields.length; at += 2) if (isInDoubt(fields[at])) inDoubt.add(fields[at - 1] ?? '');
    } while (cursor !== '0');
    return inDoubt.size;
  }

  /**
   * Reads piece by piece and without a lease: what changes meanwhile may be met in both states, or in neither. `mayMatter`: whether
   * an entry that is stored like this is wanted, asked before it is decoded.
   */
  async *list(
    shard: number,
    states: ReadonlySet<EntryState>,
    mayMatter: (text: string) => boolean = () => true,
  ): AsyncGenerator<FoundEntry> {
    await this.#checkFormat(shard);
    for (const { place, key } of await this.#keysOf(shard, states)) {
      let cursor = '0';
      do {
        const [next, fields] = await this.#redis.hscan(key, cursor, 'COUNT', fieldsPerPiece);
        cursor = next;
        for (let at = 1; at < fields.length; at += 2) {
          const text = fields[at] ?? '';
          if (!mayMatter(text)) continue;
          const found = foundIn(place, shard, text);
          if (states.has(found.state)) yield found;
        }
      } while (cursor !== '0');
    }
  }

  /**
   * The entry under whichever identifier it has now; `identifier` may be an earlier one of it. Mostly it is in the shard that the
   * identifier names; another one has it if the number of shards was changed since.
   */
  async find(identifier: string): Promise<FoundEntry | undefined> {
    const place = placeOf(identifier);
    if (place === undefined) return undefined;
    const others = Array.from({ length: slotCount }, (_, shard) => shard).filter((shard) => shard !== place.shard);
    for (const shard of [place.shard, ...others]) {
      const found = await this.#findIn(shard, identifier);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #findIn(shard: number, identifier: string): Promise<FoundEntry | undefined> {
    await this.#checkFormat(shard);
    const first = firstIdentifier(identifier);
    const names = [first, ...Array.from({ length: replaysMax }, (_, index) => `${first}-r${index + 1}`)];
    const keys = await this.#keysOf(shard, new Set([...openStates, ...closedStates]));
    const looks = keys.map(async ({ place, key }) => {
      const texts = await this.#redis.hmget(key, ...names);
      const text = texts.findLast((value) => value !== null);
      return typeof text === 'string' ? [foundIn(place, shard, text)] : [];
    });
    const [found] = (await Promise.all(looks)).flat();
    return found;
  }

  /** An entry that was never parked, as its set was committed: while that is pending, or for some days after. */
  async findInSet(identifier: string): Promise<EntryInSet | undefined> {
    const place = placeOf(identifier);
    if (place === undefined) return undefined;
    const { set: pending, settled, marks, progress } = shardKeys(this.#namespace, place.shard);
    const inPending = await this.#entryOf(pending, identifier);
    if (inPending === undefined) {
      const inSettled = await this.#entryOf(settled(place.set), identifier);
      if (inSettled === undefined) return undefined;
      const isAddedUp = inSettled.entry.refusal !== undefined;
      return { entry: inSettled.entry, isAccepted: !isAddedUp, isAddedUp };
    }
    const marked = earliestMarks(await this.#redis.lrange(marks, 0, -1));
    const ended = (await this.#redis.lrange(progress, 0, -1)).flatMap((text) => [...decodeSettled(text)]);
    const attemptedAtMs = marked.get(inPending.index);
    const state = new Map(ended).get(inPending.index);
    return {
      entry: inPending.entry,
      isAccepted: state === 'accepted',
      isAddedUp: state === 'dead' && inPending.entry.refusal !== undefined,
      ...(attemptedAtMs === undefined ? {} : { attemptedAtMs }),
    };
  }

  async #entryOf(key: string, identifier: string): Promise<{ entry: Entry; index: number } | undefined> {
    const blob = await this.#redis.getBuffer(key);
    if (blob === null) return undefined;
    const entries = await decodeEntries(blob);
    const index = entries.findIndex((entry) => entry.identifier === firstIdentifier(identifier));
    const entry = entries[index];
    return entry === undefined ? undefined : { entry, index };
  }

  /** Has dead or in doubt entries of a shard sent again by its owner. Answers identifiers of those that are on their way now. */
  replay(shard: number, found: readonly FoundEntry[], decision: Decision): Promise<ReadonlySet<string>> {
    const keys = shardKeys(this.#namespace, shard);
    const ways = { shard, from: keys.parked, to: keys.replays, keepMs: undefined };
    return this.#move(ways, found, (record) => replayOf(record, decision));
  }

  /** Ends entries of a shard that are dead, in doubt or waiting for their replay, and keeps them as closed. */
  async close(
    shard: number,
    found: readonly FoundEntry[],
    state: 'discarded' | 'billed',
    decision: Decision,
  ): Promise<ReadonlySet<string>> {
    const keys = shardKeys(this.#namespace, shard);
    const to = keys.closed(decision.atMs);
    const close = (record: ParkedEntry): ClosedEntry => closedOf(record, state, decision);
    const waiting = found.filter((entry) => entry.state === 'waiting');
    const parked = found.filter((entry) => entry.state === 'dead' || entry.state === 'in_doubt');
    return new Set([
      ...(await this.#move({ shard, from: keys.parked, to, keepMs: closedKeptMs }, parked, close)),
      ...(await this.#move({ shard, from: keys.replays, to, keepMs: closedKeptMs }, waiting, close)),
    ]);
  }

  async #move(
    { shard, from, to, keepMs }: Ways,
    found: readonly FoundEntry[],
    change: (record: ParkedEntry) => ParkedEntry | ClosedEntry | { readonly obstacle: string },
  ): Promise<ReadonlySet<string>> {
    const format = await this.#checkFormat(shard);
    const fields = found.flatMap(({ record, text }) => {
      if (isClosed(record)) return [];
      const changed = change(record);
      if ('obstacle' in changed) return [];
      return [record.entry.identifier, text, changed.entry.identifier, encodeParked(changed, format)];
    });
    if (fields.length === 0) return new Set();
    const { lease } = shardKeys(this.#namespace, shard);
    const args = [mover, keepMs ?? '', ...fields];
    scripts ??= readScripts(['decide']);
    const reply = await runScript(this.#redis, scripts.decide, [lease, from, to], args);
    if (reply.text(0) === 'moving') throw new EntriesMovingError(shard);
    return new Set(reply.list(1).texts());
  }

  /** Where entries of these states may be. An entry is in one place at a time. */
  async #keysOf(shard: number, states: ReadonlySet<EntryState>): Promise<{ place: Place; key: string }[]> {
    const keys = shardKeys(this.#namespace, shard);
    const places: { place: Place; key: string }[] = [];
    if (closedStates.some((state) => states.has(state))) {
      for (const month of monthsBack(await this.now())) places.push({ place: 'closed', key: keys.closed(month) });
    }
    if (states.has('dead') || states.has('in_doubt')) places.push({ place: 'parked', key: keys.parked });
    if (states.has('deferred')) places.push({ place: 'deferred', key: keys.deferred });
    if (states.has('waiting')) places.push({ place: 'replays', key: keys.replays });
    return places;
  }

  async #checkFormat(shard: number): Promise<JournalFormat> {
    const { head }: ShardKeys = shardKeys(this.#namespace, shard);
    const stored = await this.#redis.hget(head, 'format');
    if (stored === null) return oldestFormat;
    const format = formatOf(stored);
    if (format === undefined) throw new JournalFormatError(`The journal of shard ${shard}`, stored);
    return format;
  }
}

/** The first of each month, newest first. */
function monthsBack(nowMs: number): number[] {
  const now = new Date(nowMs);
  return Array.from({ length: monthsKept }, (_, back) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back));
}

function foundIn(place: Place, shard: number, text: string): FoundEntry {
  const record = place === 'closed' ? decodeClosed(text) : decodeParked(text);
  return { shard, state: place === 'replays' ? 'waiting' : record.state, record, text };
}

function isClosed(record: ParkedEntry | ClosedEntry): record is ClosedEntry {
  return record.state === 'accepted' || record.state === 'discarded' || record.state === 'billed';
}

/** The words may also be those of a dimension. */
function isInDoubt(text: string | undefined): boolean {
  if (text?.includes('"state":"in_doubt"') !== true) return false;
  const { state } = JSON.parse(text) as { readonly state?: unknown };
  return state === 'in_doubt';
}
