import type {
  Addition,
  CommitAnswer,
  DeferredEnding,
  ParkedEntry,
  PeekAnswer,
  SetAnswer,
  SetCommit,
  SettledAs,
  SumsAnswer,
  TakeAnswer,
  TotalsAnswer,
} from '../../../../shared/journal/journal.ts';

/** One write to the journal. A shard has at most one under way; without an answer the very same one is repeated. */
export type JournalWrite =
  | { readonly kind: 'commit'; readonly commit: SetCommit }
  | { readonly kind: 'mark'; readonly set: number; readonly token: string; readonly entries: readonly number[] }
  | {
      readonly kind: 'progress';
      readonly set: number;
      readonly token: string;
      readonly settled: ReadonlyMap<number, SettledAs>;
      readonly parked: readonly ParkedEntry[];
      readonly additions: readonly Addition[];
    }
  | { readonly kind: 'complete'; readonly set: number; readonly token: string; readonly progressWrites: number }
  | { readonly kind: 'settle_deferred'; readonly identifier: string; readonly outcome: DeferredEnding }
  /** Changes nothing: what these totals are now. */
  | { readonly kind: 'read_totals'; readonly fields: readonly string[] }
  /** Changes nothing: what refused entries with these keys were added to, as of this Redis time. */
  | { readonly kind: 'read_sums'; readonly atMs: number; readonly keys: readonly string[] }
  /** Changes nothing: which replays wait for the owner. */
  | { readonly kind: 'peek_replays'; readonly max: number }
  | { readonly kind: 'take_replays'; readonly replays: readonly ParkedEntry[] };

export type JournalAnswer = CommitAnswer | SetAnswer | TotalsAnswer | SumsAnswer | PeekAnswer | TakeAnswer;

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
