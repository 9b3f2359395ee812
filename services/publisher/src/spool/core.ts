import { Ledger } from './ledger.ts';
import type { SpoolLimits } from './limits.ts';
import { Reader } from './reader.ts';
import type { Found, Now, Replay, SpoolEffect, SpoolEvent } from './spool-event.ts';
import { Writer } from './writer.ts';

export type * from './spool-event.ts';

/**
 * One open spool, without clock, timers or I/O: what is written, read, parked and removed, and when. The shell carries out the
 * effects and tells how they ended; at most one commit (or probe) and one piece of upkeep is under way at a time. A spool
 * that is opened again, after its folder was lost, is another core.
 *
 *   append ──▶ writer: waiting ──one fsync──▶ stored ─────┐
 *                                                         ▼
 *   broker ◀── next() ── reader: window ◀──read── segments, oldest first ──cursor durable──▶ removed
 *
 * Guarantees: `stored` only after the fsync of the record; a record that was stored leaves only when it is confirmed, or in
 * a file that was parked; together never more than `spoolBytes` in segments. Refuses what does not fit, and everything
 * while the folder cannot be written to.
 */
export class SpoolCore {
  readonly #ledger: Ledger;
  readonly #writer: Writer;
  readonly #reader: Reader;
  #records: number;
  #effects: SpoolEffect[] = [];

  constructor(found: Found, limits: SpoolLimits) {
    this.#ledger = new Ledger(found.segments, found.cursor);
    this.#writer = new Writer(this.#ledger, limits);
    this.#reader = new Reader(this.#ledger, limits, found.cursor);
    this.#records = found.records;
  }

  /** For messages that are not handed over yet; undefined while nothing can be written. */
  get roomBytes(): number | undefined {
    return this.#writer.roomBytes;
  }

  /** `append` would be taken now, whatever message it is. */
  get takesMore(): boolean {
    return this.#writer.takesMore;
  }

  get bytes(): number {
    return this.#ledger.bytes;
  }

  /** Stored, and neither confirmed nor parked. */
  get records(): number {
    return this.#records;
  }

  /** Nothing is left on the disk but a cursor behind everything. */
  get isEmpty(): boolean {
    return this.#ledger.count === 0 && this.#reader.isSaved && this.#writer.isIdle;
  }

  get oldestAcceptedMs(): number | undefined {
    return this.#reader.oldestAcceptedMs;
  }

  wakeAtMs(nowMs: number): number {
    return Math.min(this.#writer.wakeAtMs, this.#reader.wakeAtMs(nowMs));
  }

  step(event: SpoolEvent, now: Now): readonly SpoolEffect[] {
    this.#handle(event, now);
    this.#writer.commit(now.nowMs, this.#effects);
    this.#sealWhatIsThrough(now.nowMs);
    this.#reader.upkeep(now.nowMs, this.#effects);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** The next message to publish again; its fate is told with its ticket. Whoever asks then lets the core step. */
  next(generation: number, now: Now): Replay | undefined {
    return this.#reader.next(generation, now.wallMs);
  }

  #handle(event: SpoolEvent, { nowMs, wallMs }: Now): void {
    switch (event.kind) {
      case 'append':
        this.#writer.append(event, this.#effects);
        break;
      case 'committed':
        this.#records += this.#writer.committed(this.#effects);
        this.#reader.ledgerChanged(nowMs);
        break;
      case 'commit_failed':
        this.#writer.failed(event.segment === 'abandoned', nowMs, this.#effects);
        this.#reader.ledgerChanged(nowMs);
        break;
      case 'probed':
        this.#writer.probed(event.ok, nowMs);
        break;
      case 'loaded':
        this.#reader.loaded(event, wallMs);
        break;
      case 'saved':
      case 'removed':
      case 'parked':
        this.#records -= this.#reader.upkeepEnded(event.kind, nowMs);
        break;
      case 'upkeep_failed':
        this.#reader.upkeepFailed(nowMs);
        break;
      case 'confirmed':
      case 'refused':
        if (this.#reader.told(event.kind, event.generation, event.ticket, nowMs)) this.#records--;
        break;
      case 'returned':
        this.#reader.returned(event.generation, event.origin);
        break;
      case 'lost':
        this.#reader.lost();
        break;
      case 'save':
        this.#reader.saveNow();
        break;
      case 'ticked':
        this.#writer.tick(nowMs, this.#effects);
        this.#reader.tick(nowMs);
        break;
    }
  }

  /** A segment that is written to is never removed; so that an empty spool has none, it is closed when it is through. */
  #sealWhatIsThrough(nowMs: number): void {
    const { current } = this.#ledger;
    if (current === undefined || !this.#writer.isIdle) return;
    const { segment, offset } = this.#reader.cursor;
    if (segment !== current.number || offset < current.bytes) return;
    this.#ledger.seal();
    this.#reader.ledgerChanged(nowMs);
  }
}
