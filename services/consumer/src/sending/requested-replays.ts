import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { deferredItem, type Item } from '../lanes/item.ts';
import type { JournalAnswer, JournalWrite } from './write.ts';

/**
 * Replays that were asked for, on their way from the journal into the shard's lanes.
 *
 *   none wait ──lease renewed, some wait──▶ look ──▶ seen ──take, written──▶ with the shard's deferred entries
 *
 * First a look, then what was seen is taken by name: a write that has no answer is repeated, and the repetition must not take
 * others. What is taken counts as attempted from the time of the look, which is before its first call (invariant 6).
 */
const chunk = 64;

export class RequestedReplays {
  /** In the journal, as far as is known. */
  #waiting = 0;
  #seen: readonly ParkedEntry[] = [];

  /** The journal says that so many wait. */
  wait(count: number): void {
    this.#waiting = count;
  }

  /** What to ask of the journal now, if anything; `room` is for so many more. */
  next(room: number): (JournalWrite & { readonly kind: 'peek_replays' | 'take_replays' }) | undefined {
    if (this.#seen.length > 0) return { kind: 'take_replays', replays: this.#seen };
    const max = Math.min(chunk, room);
    return this.#waiting === 0 || max <= 0 ? undefined : { kind: 'peek_replays', max };
  }

  /** The journal's answer to that: replays that may be called from now on. */
  answered(answer: JournalAnswer): Item[] {
    if ('replays' in answer) {
      if (answer.replays.length === 0) this.#waiting = 0;
      this.#seen = answer.replays.map((replay) => ({ ...replay, attemptedAtMs: answer.redisMs }));
    }
    if (!('taken' in answer)) return [];
    const taken = new Set(answer.taken);
    const items = this.#seen.flatMap((replay) =>
      taken.has(replay.entry.identifier) ? [deferredItem(replay, replay.attemptedAtMs ?? replay.parkedAtMs)] : [],
    );
    this.#waiting = Math.max(0, this.#waiting - this.#seen.length);
    this.#seen = [];
    return items;
  }
}
