import { JournalFormatError } from '../../../../shared/journal/format.ts';
import { SharedTrouble } from '../../../../shared/log/shared-trouble.ts';
import type { Troubles } from '../../../../shared/log/troubles.ts';

/** A claim, a renewal or a load is tried again sooner than this; a shard that is not, is another member's by now. */
const forgottenMs = 15_000;

/**
 * Tells that journals are in a format that this version does not read. Redis is well then and refuses nothing, so that nothing else
 * says why the usage of these shards is not billed.
 */
export class UnreadableJournals {
  readonly #trouble: SharedTrouble;
  readonly #now: () => number;
  readonly #metAtMs = new Map<number, number>();

  /** `now` is monotonic, in milliseconds. */
  constructor(troubles: Troubles, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#trouble = new SharedTrouble(
      troubles,
      {
        reason: 'journal_format',
        level: 'error',
        message:
          'Journals are in a format that this version does not read: their usage is not billed. It waits in the broker; none is lost. Run the version that wrote them, or a newer one.',
        remark: 'Journals are in a format that this version does not read: their usage waits in the broker.',
      },
      'No journal is in a format that this version does not read any more.',
    );
  }

  get count(): number {
    return this.#metAtMs.size;
  }

  /** Whether this is why the journal of a shard gave no answer that is of use. */
  failed(shard: number, error: unknown): boolean {
    if (!(error instanceof JournalFormatError)) return false;
    this.#metAtMs.set(shard, this.#now());
    this.#trouble.met(nameOf(shard), error);
    return true;
  }

  /** Its journal could be read. */
  gone(shard: number): void {
    if (this.#metAtMs.delete(shard)) this.#trouble.gone(nameOf(shard));
  }

  tick(): void {
    const nowMs = this.#now();
    for (const [shard, atMs] of this.#metAtMs) if (nowMs - atMs >= forgottenMs) this.#left(shard);
  }

  allLeft(): void {
    for (const shard of this.#metAtMs.keys()) this.#left(shard);
  }

  /** It is not this member's to read any more. */
  #left(shard: number): void {
    if (this.#metAtMs.delete(shard)) this.#trouble.left(nameOf(shard));
  }
}

function nameOf(shard: number): string {
  return `shard ${shard}`;
}
