import type { Addition, ParkedEntry } from '../../../../shared/journal/journal.ts';
import { counted, type Trouble, type Troubles } from '../../../../shared/log/troubles.ts';
import type { JournalWrite } from '../sending/write.ts';

/** Told while it lasts, of what the journals have as well. */
export const entriesFail =
  'Entries fail: they are kept aside and tried again by themselves, so that other usage can go on. None is lost; their bills are late.';

const messages: Readonly<Record<ParkedEntry['state'], Pick<Trouble, 'level' | 'message'>>> = {
  dead: {
    level: 'error',
    message:
      'Entries are dead: their usage is not billed, and kept in the journal with its reason. Mend the cause, then tallyman entries replay.',
  },
  in_doubt: {
    level: 'error',
    message:
      'Entries are in doubt: whether their usage is billed is not known, so they are not sent again. Compare with Stripe, then tallyman entries resolve.',
  },
  deferred: {
    level: 'warn',
    message: entriesFail,
  },
};

const deferredReason = 'entries_deferred';

/**
 * Says in the log that entries were parked, once per reason and minute, for all shards of a consumer; and when none of them is kept
 * aside any more. To be told once the journal has them. The reason is its code alone, which is one of few; the newest entry stands
 * for the others.
 */
export class ParkedLog {
  readonly #troubles: Troubles;
  /** Shards that keep entries aside which failed under this owner. */
  readonly #deferring = new Set<string>();

  constructor(troubles: Troubles) {
    this.#troubles = troubles;
  }

  parked(shard: string, parked: readonly ParkedEntry[]): void {
    const groups = Map.groupBy(parked, ({ state, reason }) => `${state} ${codeOf(reason)}`);
    for (const [reason, group] of groups) {
      const newest = group.at(-1);
      if (newest === undefined) continue;
      const told = { reason, ...messages[newest.state], fields: fieldsOf(group, newest) };
      if (newest.state === 'deferred') {
        this.#deferring.add(shard);
        this.#troubles.tell({ ...told, about: deferredReason });
      } else this.#troubles.note(told, group.length);
    }
  }

  /** The shard keeps nothing aside any more. */
  noneDeferred(shard: string): void {
    this.#end(
      shard,
      'No entry is kept aside any more: each that failed was accepted at last, or is parked for a person.',
    );
  }

  /** It is not ours any more, with what it keeps aside. */
  left(shard: string): void {
    this.#end(shard);
  }

  #end(shard: string, message?: string): void {
    if (this.#deferring.delete(shard) && this.#deferring.size === 0) this.#troubles.over(deferredReason, message);
  }
}

function fieldsOf(group: readonly ParkedEntry[], { entry, reason }: ParkedEntry): Readonly<Record<string, unknown>> {
  const events = group.reduce((sum, one) => sum + one.entry.events, 0);
  return {
    entries: `${counted(group.length, 'entry', 'entries')} of ${counted(events, 'event')}`,
    example: entry.identifier,
    customer: entry.customer,
    meter: entry.meter,
    ...(entry.account === undefined ? {} : { account: entry.account }),
    said: reason,
  };
}

/** Entries that are parked with this write and were not before: a deferred one that is written again is no news. */
export function parkedBy(write: JournalWrite): readonly ParkedEntry[] {
  if (write.kind === 'progress') return [...write.parked, ...write.additions.map(addedBy)];
  if (write.kind !== 'settle_deferred' || write.outcome === 'accepted') return [];
  const { outcome } = write;
  return outcome.state === 'dead' || outcome.state === 'in_doubt' ? [{ ...outcome, state: outcome.state }] : [];
}

/** What was added, under the identifier that has it unless somebody decided about that meanwhile. */
function addedBy({ to, own }: Addition): ParkedEntry {
  const { identifier } = (to?.sum ?? own).entry;
  return { ...own, entry: { ...own.entry, identifier } };
}

/** `no_meter: there is none of that name` is `no_meter`. What has no code is told together. */
function codeOf(reason: string): string {
  return /^[a-z][a-z0-9_]*(?=:|$)/.exec(reason)?.[0] ?? 'other';
}
