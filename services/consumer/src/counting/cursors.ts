import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import { SequenceRanges } from './sequence-ranges.ts';

/**
 * Which messages of which producers a shard has seen (invariant 4), in two layers per producer and slot:
 * - sealed: in a set that is committed, or whose commit is being repeated until it is answered;
 * - open: in the set that is still being counted. It dies with the channel, the sealed layer does not.
 */
interface Cursor {
  readonly sealed: SequenceRanges;
  open: SequenceRanges | undefined;
  /** Redis time of the last seal that touched it. */
  touchedAtMs: number;
}

/** A producer whose life ended this long ago cannot repeat a message: spools are parked after 35 days. */
const defaultLifeMs = 40 * 24 * 3600 * 1000;

const formatVersion = '1';

export class Cursors {
  readonly #cursors = new Map<string, Cursor>();
  readonly #open = new Set<string>();
  readonly #lifeMs: number;

  constructor(lifeMs = defaultLifeMs) {
    this.#lifeMs = lifeMs;
  }

  get size(): number {
    return this.#cursors.size;
  }

  /** Takes the journal's cursors: key `<slot>/<producer>`, value `1;<touched, unix seconds>;<ranges>`. */
  load(encoded: ReadonlyMap<string, string>): void {
    for (const [key, text] of encoded) {
      const [version, touched, ranges] = text.split(';');
      const sealed = ranges === undefined ? undefined : SequenceRanges.parse(ranges);
      if (version !== formatVersion || sealed === undefined) {
        throw new Error(
          `The journal's cursor ${key} has a format that this version cannot read: ${text.slice(0, 100)}.`,
        );
      }
      this.#cursors.set(key, { sealed, open: undefined, touchedAtMs: Number(touched) * 1000 });
    }
  }

  /** Where the message was seen: `new` = nowhere. */
  find(origin: MessageOrigin): 'new' | 'open' | 'sealed' {
    const cursor = this.#cursors.get(cursorKey(origin));
    if (cursor === undefined) return 'new';
    if (cursor.sealed.has(origin.sequence)) return 'sealed';
    return cursor.open?.has(origin.sequence) === true ? 'open' : 'new';
  }

  /** The message belongs to the open set now. */
  add(origin: MessageOrigin): void {
    const key = cursorKey(origin);
    let cursor = this.#cursors.get(key);
    if (cursor === undefined) {
      cursor = { sealed: new SequenceRanges(), open: undefined, touchedAtMs: 0 };
      this.#cursors.set(key, cursor);
    }
    if (cursor.open === undefined) {
      cursor.open = new SequenceRanges();
      this.#open.add(key);
    }
    cursor.open.add(origin.sequence);
  }

  /** Moves the open layer into the sealed one and returns the new value of every cursor that changed. */
  seal(redisMs: number): Map<string, string> {
    const encoded = new Map<string, string>();
    for (const key of this.#open) {
      const cursor = this.#cursors.get(key);
      if (cursor?.open === undefined) continue;
      cursor.sealed.addAll(cursor.open);
      cursor.open = undefined;
      cursor.touchedAtMs = redisMs;
      encoded.set(key, `${formatVersion};${Math.ceil(redisMs / 1000)};${cursor.sealed.toString()}`);
    }
    this.#open.clear();
    return encoded;
  }

  discardOpen(): void {
    for (const key of this.#open) {
      const cursor = this.#cursors.get(key);
      if (cursor === undefined) continue;
      if (cursor.sealed.isEmpty) this.#cursors.delete(key);
      else cursor.open = undefined;
    }
    this.#open.clear();
  }

  /**
   * Forgets cursors that were last touched so long (40 days) before the oldest message of the set being sealed was accepted.
   * Measured against messages and not against the clock: a backlog may be older than any clock interval.
   */
  forget(oldestAcceptedMs: number): string[] {
    const forgotten: string[] = [];
    for (const [key, cursor] of this.#cursors) {
      if (cursor.open !== undefined || cursor.touchedAtMs + this.#lifeMs >= oldestAcceptedMs) continue;
      this.#cursors.delete(key);
      forgotten.push(key);
    }
    return forgotten;
  }
}

function cursorKey(origin: MessageOrigin): string {
  return `${origin.slot}/${origin.producer}`;
}
