import { Sum } from '../../../shared/decimal/decimal.ts';
import type { FoundEntry } from '../../../shared/journal/entry-book.ts';
import type { EntryState } from '../../../shared/journal/entry-states.ts';

/** What entries come to that are in one state for one reason, of one customer and meter. */
export interface Group {
  readonly state: EntryState;
  readonly reason: string;
  readonly account: string | undefined;
  readonly customer: string;
  readonly meter: string;
  entries: number;
  events: number;
  readonly value: Sum;
  /** When the first of them came into this state, Redis time. */
  oldestMs: number;
}

/** Adds entries up, however many there are: only their groups are kept. */
export class Summary {
  readonly #groups = new Map<string, Group>();
  entries = 0;

  add({ state, record }: FoundEntry): void {
    const { entry, parkedAtMs } = record;
    const { account, customer, meter, value, events } = entry;
    const reason = codeOf(record.reason);
    const name = [state, reason, account, customer, meter].join('\0');
    const group = this.#groups.get(name) ?? {
      ...{ state, reason, account, customer, meter, entries: 0, events: 0, value: new Sum(), oldestMs: parkedAtMs },
    };
    this.#groups.set(name, group);
    this.entries++;
    group.entries++;
    group.events += events;
    group.value.add(value);
    group.oldestMs = Math.min(group.oldestMs, parkedAtMs);
  }

  /** The largest first. */
  get groups(): readonly Group[] {
    return [...this.#groups.values()].toSorted((left, right) => right.entries - left.entries);
  }
}

/** Of `no_meter: the provider has no meter named x` the first word; of other reasons, which people wrote, all. */
function codeOf(reason: string): string {
  return /^([a-z][a-z_]*):/.exec(reason)?.[1] ?? reason;
}
