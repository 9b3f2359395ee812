/**
 * Which usage goes into which request, and when: pure, with the time as an argument.
 *
 * An entry is queued → in flight (part of a batch) → settled, or from in flight → waiting (its batch is to be sent again) → in
 * flight. A batch never grows: what is sent again are the same texts with the same ids, or, after 413, halves of them.
 *
 * Guarantees: every entry that `add` took is settled exactly once, in `settle`, `expire` or `abandon`; at most `requestsMax` new
 * batches are in flight or waiting, so that a sidecar that is away costs few requests; what is held never exceeds
 * `bufferBytesMax`, but for a single entry that is larger.
 */
import { delayMs, type RetryPolicy } from '../retry/delay.ts';
import type { Rejection, Verdict } from './verdict.ts';

export interface BatchLimits {
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
  /** A batch that is not full waits this long for company. */
  readonly lingerMs: number;
  readonly requestsMax: number;
  readonly bufferBytesMax: number;
  /** After its recording an entry is not sent any more. Must end well within the consumers' dedup window. */
  readonly giveUpAfterMs: number;
  readonly retry: RetryPolicy;
}

/** Charged for an entry beside its text: the objects around it. */
export const entryBytes = 512;

interface Entry<T> {
  readonly ticket: T;
  readonly text: string;
  readonly bytes: number;
  readonly recordedAtMs: number;
}

export interface Batch<T> {
  readonly entries: readonly Entry<T>[];
  readonly attempts: number;
  readonly retryAtMs: number;
  /** An earlier attempt with these entries may have arrived. */
  readonly mayBeCounted: boolean;
  /** Why the last attempt did not settle it. */
  readonly detail: string | undefined;
}

export type Settled =
  | { readonly kind: 'durable' }
  | { readonly kind: 'rejected'; readonly fault: Rejection; readonly mayBeCounted: boolean }
  | {
      readonly kind: 'undelivered';
      readonly code: 'gave_up' | 'refused' | 'closed';
      readonly detail: string | undefined;
      readonly mayBeCounted: boolean;
    };

export interface Settlement<T> {
  readonly ticket: T;
  readonly settled: Settled;
}

const durable: Settled = { kind: 'durable' };
const untried = { attempts: 0, retryAtMs: 0, mayBeCounted: false, detail: undefined } as const;

export class BatchCore<T> {
  readonly #limits: BatchLimits;
  #queue: Entry<T>[] = [];
  #queueBytes = 0;
  #waiting: Batch<T>[] = [];
  readonly #inFlight = new Set<Batch<T>>();
  #heldEvents = 0;
  #heldBytes = 0;
  #flushing = false;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get heldEvents(): number {
    return this.#heldEvents;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** False: there is no room, and nothing was taken. */
  add(ticket: T, text: string, nowMs: number): boolean {
    const bytes = entryBytes + Buffer.byteLength(text);
    if (this.#heldBytes > 0 && this.#heldBytes + bytes > this.#limits.bufferBytesMax) return false;
    this.#queue.push({ ticket, text, bytes, recordedAtMs: nowMs });
    this.#queueBytes += bytes;
    this.#heldBytes += bytes;
    this.#heldEvents++;
    return true;
  }

  /** From now on nothing waits for company. */
  flush(): void {
    this.#flushing = true;
  }

  /** The next batch to send now. It is in flight until `settle`. */
  take(nowMs: number): Batch<T> | undefined {
    const { requestsMax } = this.#limits;
    if (this.#inFlight.size >= requestsMax) return undefined;
    let batch = this.#waiting.find(({ retryAtMs }) => retryAtMs <= nowMs);
    if (batch !== undefined) this.#waiting.splice(this.#waiting.indexOf(batch), 1);
    else if (this.#hasRoomForNew() && this.#queueIsDueAtMs() <= nowMs) batch = { entries: this.#cut(), ...untried };
    if (batch !== undefined) this.#inFlight.add(batch);
    return batch;
  }

  /** `random` is from 0 up to, but not including, 1. */
  settle(batch: Batch<T>, verdict: Verdict, nowMs: number, random: number): readonly Settlement<T>[] {
    // Abandoned meanwhile: its entries have been settled.
    if (!this.#inFlight.delete(batch)) return [];
    const { entries, mayBeCounted } = batch;
    switch (verdict.kind) {
      case 'sifted':
        return this.#release(entries, (index) => {
          const fault = verdict.rejected.get(index);
          return fault === undefined ? durable : { kind: 'rejected', fault, mayBeCounted };
        });
      case 'too_large': {
        if (entries.length === 1) {
          return this.#release(entries, () => ({ kind: 'rejected', fault: verdict.fault, mayBeCounted }));
        }
        const half = Math.ceil(entries.length / 2);
        const { message: detail } = verdict.fault;
        for (const part of [entries.slice(0, half), entries.slice(half)]) {
          this.#waiting.push({ ...batch, entries: part, retryAtMs: nowMs, detail });
        }
        return [];
      }
      case 'retry': {
        const attempts = batch.attempts + 1;
        this.#waiting.push({
          entries,
          attempts,
          retryAtMs: nowMs + Math.max(verdict.afterMs, delayMs(this.#limits.retry, attempts, random)),
          mayBeCounted: mayBeCounted || verdict.mayBeCounted,
          detail: verdict.detail,
        });
        return [];
      }
      case 'refused': {
        const { detail } = verdict;
        const either = mayBeCounted || verdict.mayBeCounted;
        return this.#release(entries, () => ({ kind: 'undelivered', code: 'refused', detail, mayBeCounted: either }));
      }
    }
  }

  /** Gives up what was recorded too long ago. What is in flight may still be answered. */
  expire(nowMs: number): readonly Settlement<T>[] {
    const bornBeforeMs = nowMs - this.#limits.giveUpAfterMs;
    const isOld = ({ recordedAtMs }: Entry<T>): boolean => recordedAtMs <= bornBeforeMs;
    const expired: (readonly Settlement<T>[])[] = [];
    const [oldest] = this.#queue;
    if (oldest !== undefined && isOld(oldest)) {
      const young = this.#queue.findIndex((entry) => !isOld(entry));
      const old = this.#queue.splice(0, young < 0 ? this.#queue.length : young);
      this.#queueBytes -= bytesOf(old);
      expired.push(this.#giveUp(old, 'gave_up', untried));
    }
    this.#waiting = this.#waiting.flatMap((batch) => {
      if (!batch.entries.some(isOld)) return [batch];
      expired.push(this.#giveUp(batch.entries.filter(isOld), 'gave_up', batch));
      const entries = batch.entries.filter((entry) => !isOld(entry));
      return entries.length === 0 ? [] : [{ ...batch, entries }];
    });
    return expired.flat();
  }

  /** Settles everything that is held, answered or not. */
  abandon(): readonly Settlement<T>[] {
    const abandoned = [
      ...this.#giveUp(this.#queue, 'closed', untried),
      ...this.#waiting.flatMap((batch) => this.#giveUp(batch.entries, 'closed', batch)),
      ...[...this.#inFlight].flatMap((batch) =>
        this.#giveUp(batch.entries, 'closed', { ...batch, mayBeCounted: true }),
      ),
    ];
    this.#queue = [];
    this.#queueBytes = 0;
    this.#waiting = [];
    this.#inFlight.clear();
    return abandoned;
  }

  /** When `expire` or `take` will have something to do, if nothing happens before. */
  get wakeAtMs(): number | undefined {
    let wakeAtMs = Infinity;
    const { giveUpAfterMs, requestsMax } = this.#limits;
    for (const { entries, retryAtMs } of this.#waiting) {
      const [oldest] = entries;
      if (oldest !== undefined) wakeAtMs = Math.min(wakeAtMs, oldest.recordedAtMs + giveUpAfterMs);
      if (this.#inFlight.size < requestsMax) wakeAtMs = Math.min(wakeAtMs, retryAtMs);
    }
    const [next] = this.#queue;
    if (next !== undefined) wakeAtMs = Math.min(wakeAtMs, next.recordedAtMs + giveUpAfterMs);
    if (this.#hasRoomForNew()) wakeAtMs = Math.min(wakeAtMs, this.#queueIsDueAtMs());
    return wakeAtMs === Infinity ? undefined : wakeAtMs;
  }

  #hasRoomForNew(): boolean {
    return this.#inFlight.size + this.#waiting.length < this.#limits.requestsMax;
  }

  #queueIsDueAtMs(): number {
    const { batchEventsMax, batchBytesMax, lingerMs } = this.#limits;
    const [oldest] = this.#queue;
    if (oldest === undefined) return Infinity;
    const isFull = this.#queue.length >= batchEventsMax || this.#queueBytes >= batchBytesMax;
    return oldest.recordedAtMs + (isFull || this.#flushing ? 0 : lingerMs);
  }

  /** Takes one entry at least, however large it is. */
  #cut(): readonly Entry<T>[] {
    const { batchEventsMax, batchBytesMax } = this.#limits;
    let bytes = 0;
    let count = 0;
    for (const entry of this.#queue) {
      if (count > 0 && (count === batchEventsMax || bytes + entry.bytes > batchBytesMax)) break;
      bytes += entry.bytes;
      count++;
    }
    this.#queueBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  #giveUp(
    entries: readonly Entry<T>[],
    code: 'gave_up' | 'closed',
    { mayBeCounted, detail }: Pick<Batch<T>, 'mayBeCounted' | 'detail'>,
  ): readonly Settlement<T>[] {
    return this.#release(entries, () => ({ kind: 'undelivered', code, detail, mayBeCounted }));
  }

  #release(entries: readonly Entry<T>[], settledAs: (index: number) => Settled): readonly Settlement<T>[] {
    this.#heldEvents -= entries.length;
    this.#heldBytes -= bytesOf(entries);
    return entries.map(({ ticket }, index) => ({ ticket, settled: settledAs(index) }));
  }
}

function bytesOf(entries: readonly { readonly bytes: number }[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}
