import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Place, StoredCursor } from './cursor.ts';
import type { Ledger } from './ledger.ts';
import type { SpoolLimits } from './limits.ts';
import type { Replay, SpoolEffect, SpoolEvent, Upkeep } from './spool-event.ts';
import { type Entry, Window } from './window.ts';

/**
 * Replay: reads ahead, hands messages out oldest first, and moves the cursor over what is confirmed.
 *
 *   read ──▶ waiting ──next()──▶ sent ──confirmed──▶ done ──all before it done──▶ cursor ──durable──▶ segment removed
 *             │  ▲                │ lost, returned, refused
 *             │  └──(pause)───────┘
 *             └── damaged, too old ──▶ parked ──▶ done
 *
 * Guarantees: the cursor never passes a record that is neither confirmed nor kept in a parked file; a segment is removed
 * only after a cursor behind it is durable. Part of the pure spool core; upkeep is one file operation at a time.
 */
export class Reader {
  readonly #ledger: Ledger;
  readonly #limits: SpoolLimits;
  readonly #window = new Window();
  #cursor: Place;
  #saved: StoredCursor;
  #readAt: Place;
  /** Bytes to ask for: more than usual when what is there needs more to be understood. */
  #readBytes: number;
  #upkeep: { readonly work: Upkeep; readonly entries: readonly Entry[] } | undefined;
  #unsavedSinceMs = Infinity;
  #saveNow = false;
  #upkeepPausedUntilMs = 0;
  #generation = 0;
  #failedUntilMs = Infinity;
  #failedRounds = 0;
  readonly #toPark: { readonly entries: Entry[]; readonly why: 'damaged' | 'too_old' }[] = [];

  constructor(ledger: Ledger, limits: SpoolLimits, saved: StoredCursor | undefined) {
    this.#ledger = ledger;
    this.#limits = limits;
    this.#saved = saved ?? { turn: 0, segment: 0, offset: 0 };
    this.#cursor = ledger.normal(this.#saved);
    this.#readAt = this.#cursor;
    this.#readBytes = limits.readBytes;
  }

  /** Everything before it is confirmed or parked. */
  get cursor(): Place {
    return this.#cursor;
  }

  get oldestAcceptedMs(): number | undefined {
    return this.#window.first?.record?.acceptedAtMs;
  }

  get isSaved(): boolean {
    return this.#saved.segment === this.#cursor.segment && this.#saved.offset === this.#cursor.offset;
  }

  wakeAtMs(nowMs: number): number {
    if (this.#upkeepPausedUntilMs > nowMs) return Math.min(this.#failedUntilMs, this.#upkeepPausedUntilMs);
    const saveAtMs = this.#unsavedSinceMs + this.#limits.saveIntervalMs;
    return Math.min(this.#failedUntilMs, this.#upkeep === undefined ? saveAtMs : Infinity);
  }

  /** The next message to publish on the connection of this generation. */
  next(generation: number, wallMs: number): Replay | undefined {
    this.#generation = generation;
    // What failed waits for its pause with everything behind it: what fails one usually fails all.
    if (this.#failedUntilMs !== Infinity || this.#window.sent >= this.#limits.inFlightMax) return undefined;
    for (let entry = this.#window.nextWaiting(); entry !== undefined; entry = this.#window.nextWaiting()) {
      const { record } = entry;
      if (record === undefined || this.#isTooOld(record.acceptedAtMs, wallMs)) {
        this.#park(entry, record === undefined ? 'damaged' : 'too_old');
        continue;
      }
      this.#window.move(entry, 'sent');
      return { ticket: entry.ticket, origin: record.origin, body: record.body };
    }
    return undefined;
  }

  returned(generation: number, origin: MessageOrigin): void {
    if (generation !== this.#generation) return;
    for (const entry of this.#window.sentWith(origin)) entry.returned = true;
  }

  /** True if the record is through. */
  told(verdict: 'confirmed' | 'refused', generation: number, ticket: number, nowMs: number): boolean {
    const entry = this.#window.sentAs(ticket);
    if (entry === undefined || generation !== this.#generation) return false;
    if (verdict === 'confirmed' && !entry.returned) {
      this.#failedRounds = 0;
      this.#window.move(entry, 'done');
      this.#pass(nowMs);
      return true;
    }
    this.#window.move(entry, 'failed');
    if (this.#failedUntilMs === Infinity) {
      const { baseMs, maxMs } = this.#limits.retry;
      this.#failedUntilMs = nowMs + Math.min(maxMs, baseMs * 2 ** Math.min(this.#failedRounds++, 30));
    }
    return false;
  }

  /** The connection is gone: what was sent is sent again. */
  lost(): void {
    this.#window.moveAll(['sent', 'failed'], 'waiting');
    this.#failedUntilMs = Infinity;
  }

  saveNow(): void {
    this.#saveNow = true;
  }

  tick(nowMs: number): void {
    if (nowMs < this.#failedUntilMs) return;
    this.#window.moveAll(['failed'], 'waiting');
    this.#failedUntilMs = Infinity;
  }

  /** The next piece of file work, if one is due and none is under way. */
  upkeep(nowMs: number, effects: SpoolEffect[]): void {
    if (this.#upkeep !== undefined || nowMs < this.#upkeepPausedUntilMs) return;
    const next = this.#nextUpkeep(nowMs);
    if (next === undefined) return;
    this.#upkeep = next;
    effects.push(next.work);
  }

  loaded({ stretches, scanned, bytes }: Extract<SpoolEvent, { kind: 'loaded' }>, wallMs: number): void {
    const { work } = this.#ended();
    if (work.kind !== 'read') throw new Error(`The spool was told of a read while it waited for ${work.kind}.`);
    this.#readBytes = scanned > 0 ? this.#limits.readBytes : work.bytes * 2;
    for (const stretch of stretches) {
      const record = stretch.kind === 'record' ? stretch.record : undefined;
      const { segment, offset } = work.place;
      const entry = this.#window.add(
        segment,
        offset + stretch.start,
        bytes.subarray(stretch.start, stretch.end),
        record,
      );
      if (record === undefined) this.#park(entry, 'damaged');
      else if (this.#isTooOld(record.acceptedAtMs, wallMs)) this.#park(entry, 'too_old');
    }
    this.#readAt = { segment: work.place.segment, offset: work.place.offset + scanned };
  }

  /** How many records are through by that. */
  upkeepEnded(kind: 'saved' | 'removed' | 'parked', nowMs: number): number {
    const { work, entries } = this.#ended();
    if (kind === 'saved' && work.kind === 'save') this.#saved = work.cursor;
    else if (kind === 'removed' && work.kind === 'remove') this.#ledger.removeFirst();
    else if (kind === 'parked' && work.kind === 'park') {
      for (const entry of entries) this.#window.move(entry, 'done');
      this.#toPark.shift();
      this.#pass(nowMs);
      return work.records;
    } else throw new Error(`The spool was told "${kind}" while it waited for ${work.kind}.`);
    if (kind === 'saved') this.#unsavedSinceMs = this.isSaved ? Infinity : nowMs;
    return 0;
  }

  upkeepFailed(nowMs: number): void {
    this.#ended();
    this.#upkeepPausedUntilMs = nowMs + this.#limits.writePauseMs;
  }

  /** A segment was added, sealed or removed. */
  ledgerChanged(nowMs: number): void {
    this.#moveTo(this.#ledger.normal(this.#cursor), nowMs);
  }

  #nextUpkeep(nowMs: number): { readonly work: Upkeep; readonly entries: readonly Entry[] } | undefined {
    const first = this.#ledger.first;
    if (first !== undefined && first.number < this.#saved.segment) {
      return { work: { kind: 'remove', segment: first.number }, entries: [] };
    }
    const [park] = this.#toPark;
    if (park !== undefined) return parkWork(park.entries, park.why);
    const isDue =
      this.#saveNow ||
      this.#cursor.segment > this.#saved.segment ||
      nowMs >= this.#unsavedSinceMs + this.#limits.saveIntervalMs;
    if (isDue && !this.isSaved) {
      this.#saveNow = false;
      return { work: { kind: 'save', cursor: { ...this.#cursor, turn: this.#saved.turn + 1 } }, entries: [] };
    }
    this.#saveNow = false;
    return this.#nextRead();
  }

  #nextRead(): { readonly work: Upkeep; readonly entries: readonly Entry[] } | undefined {
    if (this.#window.bytes >= this.#limits.windowBytesMax) return undefined;
    this.#readAt = this.#ledger.normal(this.#readAt);
    const segment = this.#ledger.find(this.#readAt.segment);
    const left = (segment?.bytes ?? 0) - this.#readAt.offset;
    if (left <= 0) return undefined;
    const bytes = Math.min(left, this.#readBytes);
    return { work: { kind: 'read', place: this.#readAt, bytes, isEnd: bytes === left }, entries: [] };
  }

  #park(entry: Entry, why: 'damaged' | 'too_old'): void {
    this.#window.move(entry, 'parking');
    // What is adjacent and not begun yet goes into one file.
    const last = this.#toPark.length > 1 || this.#upkeep?.work.kind !== 'park' ? this.#toPark.at(-1) : undefined;
    const before = last?.entries.at(-1);
    if (last !== undefined && last.why === why && before?.segment === entry.segment && before.end === entry.start)
      last.entries.push(entry);
    else this.#toPark.push({ entries: [entry], why });
  }

  #isTooOld(acceptedAtMs: number, wallMs: number): boolean {
    return acceptedAtMs < wallMs - this.#limits.ageMaxMs;
  }

  #pass(nowMs: number): void {
    const passed = this.#window.passDone();
    if (passed !== undefined) this.#moveTo(this.#ledger.normal(passed), nowMs);
  }

  #moveTo(place: Place, nowMs: number): void {
    this.#cursor = place;
    if (this.isSaved) this.#unsavedSinceMs = Infinity;
    else if (this.#unsavedSinceMs === Infinity) this.#unsavedSinceMs = nowMs;
  }

  #ended(): { readonly work: Upkeep; readonly entries: readonly Entry[] } {
    const ended = this.#upkeep;
    if (ended === undefined) throw new Error('Upkeep of the spool ended that was not under way.');
    this.#upkeep = undefined;
    return ended;
  }
}

function parkWork(
  entries: readonly Entry[],
  why: 'damaged' | 'too_old',
): { readonly work: Upkeep; readonly entries: readonly Entry[] } {
  const first = entries[0];
  if (first === undefined) throw new Error('There is nothing to park.');
  const work: Upkeep = {
    kind: 'park',
    why,
    place: { segment: first.segment, offset: first.start },
    bytes: Buffer.concat(entries.map(({ bytes }) => bytes)),
    records: why === 'too_old' ? entries.length : 0,
  };
  return { work, entries };
}
