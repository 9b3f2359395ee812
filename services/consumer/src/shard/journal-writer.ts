import { delayMs } from '../../../../shared/retry/delay.ts';
import type { JournalAnswer, JournalWrite } from './protocol.ts';

/** A write and what follows from its answer. */
export interface PlannedWrite {
  readonly write: JournalWrite;
  readonly answered: (redisMs: number, nowMs: number, answer: JournalAnswer) => void;
}

interface Write extends PlannedWrite {
  failures: number;
  /** Under way while infinite. */
  repeatAtMs: number;
}

const retryPolicy = { baseMs: 50, maxMs: 2_000 };

/**
 * The one write of a shard that is under way. A write without an answer is repeated as it was, never changed and never overtaken
 * (invariant 2), so what the journal holds is always what the shard knows or the step before.
 */
export class JournalWriter {
  readonly #random: () => number;
  #write: Write | undefined;

  constructor(random: () => number) {
    this.#random = random;
  }

  get isIdle(): boolean {
    return this.#write === undefined;
  }

  /** What to send now: the write that was not answered once it is due again, else what `choose` says. */
  next(nowMs: number, choose: () => PlannedWrite | undefined): JournalWrite | undefined {
    if (this.#write === undefined) {
      const planned = choose();
      if (planned === undefined) return undefined;
      this.#write = { ...planned, failures: 0, repeatAtMs: Number.NEGATIVE_INFINITY };
    }
    if (nowMs < this.#write.repeatAtMs) return undefined;
    this.#write.repeatAtMs = Number.POSITIVE_INFINITY;
    return this.#write.write;
  }

  /** The write under way was answered, or not (undefined). */
  answered(answer: JournalAnswer | undefined, nowMs: number): 'ok' | 'repeat' | 'stale' | 'refused' | 'mismatch' {
    const write = this.#write;
    if (write === undefined) throw new Error('A journal write was answered that this shard did not make.');
    if (answer === undefined) {
      write.failures++;
      write.repeatAtMs = nowMs + delayMs(retryPolicy, write.failures, this.#random());
      return 'repeat';
    }
    switch (answer.answer) {
      case 'ok':
        this.#write = undefined;
        write.answered(answer.redisMs, nowMs, answer);
        return 'ok';
      case 'stale':
      case 'mismatch':
        return answer.answer;
      case 'number':
      case 'pending':
        return 'refused';
    }
  }
}
