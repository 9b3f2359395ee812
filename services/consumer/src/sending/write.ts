import type { JournalAnswer, JournalWrite } from '../shard/protocol.ts';

/** A write to the journal, which is repeated as it is until it is answered. */
export interface Write {
  readonly write: JournalWrite;
  /** What follows, for example for the items of a mark or progress write. */
  readonly answered: (redisMs: number, nowMs: number, answer: JournalAnswer) => void;
  failures: number;
  /** Under way while infinite. */
  repeatAtMs: number;
}

export function newWrite(write: JournalWrite, answered: Write['answered']): Write {
  return { write, answered, failures: 0, repeatAtMs: Number.NEGATIVE_INFINITY };
}
