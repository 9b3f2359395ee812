import type { Ledger } from './ledger.ts';
import type { SpoolLimits } from './limits.ts';
import type { SpoolEffect } from './spool-event.ts';

interface Waiting {
  readonly ticket: number;
  readonly bytes: Buffer;
  readonly expiresAtMs: number;
}

/**
 *   idle ──append──▶ committing ──committed──▶ idle, or committing what has come meanwhile
 *                        │ failed
 *                        ▼
 *                      paused ──writePauseMs──▶ probing ──ok──▶ idle
 *                        ▲                         │ failed
 *                        └─────────────────────────┘
 */
type State =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'committing';
      readonly batch: readonly Waiting[];
      readonly segment: number;
      readonly bytes: number;
    }
  | { readonly kind: 'paused'; readonly untilMs: number }
  | { readonly kind: 'probing' };

/**
 * Group commit: whatever waits is written with one fsync, and the next group gathers meanwhile. A record is `stored` only
 * when that fsync has returned; when anything fails, every record that waits is declined, and none is taken until a
 * probe has shown that the folder can be written to again. Part of the pure spool core.
 */
export class Writer {
  readonly #ledger: Ledger;
  readonly #limits: SpoolLimits;
  #state: State = { kind: 'idle' };
  #waiting: Waiting[] = [];
  #waitingBytes = 0;

  constructor(ledger: Ledger, limits: SpoolLimits) {
    this.#ledger = ledger;
    this.#limits = limits;
  }

  get isIdle(): boolean {
    return this.#state.kind !== 'committing' && this.#waiting.length === 0;
  }

  get isFailing(): boolean {
    return this.#state.kind === 'paused' || this.#state.kind === 'probing';
  }

  get wakeAtMs(): number {
    return this.#state.kind === 'paused' ? this.#state.untilMs : Infinity;
  }

  /** For what is not handed over yet; undefined while nothing can be written. */
  get roomBytes(): number | undefined {
    if (this.isFailing) return undefined;
    return Math.max(0, this.#limits.spoolBytes - this.#limits.reserveBytes - this.#ledger.bytes);
  }

  get takesMore(): boolean {
    return (
      !this.isFailing && this.#waitingBytes < this.#limits.waitingBytesMax && this.#fits(this.#limits.reserveBytes)
    );
  }

  append(record: Waiting, effects: SpoolEffect[]): void {
    if (this.isFailing || !this.#fits(record.bytes.byteLength)) {
      effects.push({ kind: 'declined', ticket: record.ticket });
      return;
    }
    this.#waiting.push(record);
    this.#waitingBytes += record.bytes.byteLength;
  }

  /** Begins the next group if there is one and none is under way. */
  commit(nowMs: number, effects: SpoolEffect[]): void {
    if (this.#state.kind !== 'idle' || this.#waiting.length === 0) return;
    const { segmentBytes, commitBytesMax } = this.#limits;
    if ((this.#ledger.current?.bytes ?? 0) >= segmentBytes) this.#ledger.seal();
    const { current } = this.#ledger;
    const batch: Waiting[] = [];
    let bytes = 0;
    let taken = 0;
    for (const record of this.#waiting) {
      if (bytes >= commitBytesMax || (bytes > 0 && (current?.bytes ?? 0) + bytes >= segmentBytes)) break;
      taken++;
      if (record.expiresAtMs <= nowMs) {
        // Its request was told so by now. Written this late, it could be counted beside its own repetition.
        this.#waitingBytes -= record.bytes.byteLength;
        effects.push({ kind: 'declined', ticket: record.ticket });
        continue;
      }
      batch.push(record);
      bytes += record.bytes.byteLength;
    }
    this.#waiting = this.#waiting.slice(taken);
    if (batch.length === 0) return;
    const segment = current?.number ?? this.#ledger.nextNumber;
    this.#state = { kind: 'committing', batch, segment, bytes };
    effects.push({
      kind: 'commit',
      segment,
      isNew: current === undefined,
      offset: current?.bytes ?? 0,
      records: batch.map((record) => record.bytes),
    });
  }

  /** How many records became durable. */
  committed(effects: SpoolEffect[]): number {
    const { batch, segment, bytes } = this.#committing();
    this.#state = { kind: 'idle' };
    this.#waitingBytes -= bytes;
    this.#ledger.grow(segment, bytes);
    for (const { ticket } of batch) effects.push({ kind: 'stored', ticket });
    return batch.length;
  }

  failed(isAbandoned: boolean, nowMs: number, effects: SpoolEffect[]): void {
    const { batch, segment } = this.#committing();
    for (const { ticket } of [...batch, ...this.#waiting]) effects.push({ kind: 'declined', ticket });
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (isAbandoned) {
      if (this.#ledger.current?.number === segment) this.#ledger.seal();
      else this.#ledger.skipNumber();
    }
    this.#state = { kind: 'paused', untilMs: nowMs + this.#limits.writePauseMs };
  }

  tick(nowMs: number, effects: SpoolEffect[]): void {
    if (this.#state.kind !== 'paused' || nowMs < this.#state.untilMs) return;
    this.#state = { kind: 'probing' };
    effects.push({ kind: 'probe' });
  }

  probed(ok: boolean, nowMs: number): void {
    if (this.#state.kind !== 'probing') return;
    this.#state = ok ? { kind: 'idle' } : { kind: 'paused', untilMs: nowMs + this.#limits.writePauseMs };
  }

  #fits(bytes: number): boolean {
    return this.#ledger.bytes + this.#waitingBytes + bytes <= this.#limits.spoolBytes;
  }

  #committing(): Extract<State, { kind: 'committing' }> {
    if (this.#state.kind !== 'committing') throw new Error('A commit of the spool ended that was not under way.');
    return this.#state;
  }
}
