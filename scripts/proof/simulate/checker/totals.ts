import type { ModelShardJournal } from '../stores/model-journal.ts';
import { amountOf } from './amount.ts';
import type { CommittedEntry } from './calls.ts';
import type { Report } from './report.ts';

const hourMs = 3_600_000;

interface Total {
  amount: bigint;
  events: number;
  entries: number;
}

/** The journal's period totals are what its sets add up to. */
export function checkTotals(
  journals: readonly ModelShardJournal[],
  committed: Iterable<CommittedEntry>,
  lastMeters: ReadonlySet<string>,
  remade: ReadonlySet<string>,
  report: Report,
): void {
  const expected = new Map<string, Total>();
  for (const { entry, shard, replayOf } of committed) {
    // A replay was counted with the set that its first identifier was committed with.
    if (replayOf !== undefined) continue;
    const hour = (entry.windowStartMs - (entry.windowStartMs % hourMs)) / 1000;
    const name = `${shard} ${hour}/${entry.account ?? ''}/${entry.meter}`;
    const total = expected.get(name) ?? { amount: 0n, events: 0, entries: 0 };
    expected.set(name, total);
    total.amount += amountOf(entry.value);
    total.events += entry.events;
    total.entries++;
  }
  journals.forEach((journal, shard) => {
    for (const [key, text] of journal.snapshot().totals) {
      const name = `${shard} ${key}`;
      const [, sum = '', events, entries] = text.split(';');
      const total = expected.get(name) ?? { amount: 0n, events: 0, entries: 0 };
      expected.delete(name);
      const [, , meter = ''] = key.split('/');
      // Counted while the meter could not be read: nobody knew whether its values add up.
      const isUnknown = sum === '';
      const isLast = lastMeters.has(meter) && !remade.has(meter);
      const addsUp = isUnknown || isLast ? sum === '' : sum !== '' && amountOf(sum) === total.amount;
      if (addsUp && Number(events) === total.events && Number(entries) === total.entries) continue;
      report.violation(
        `The total ${name} says ${text}, and its sets have ${total.events} events in ${total.entries} entries.`,
      );
    }
  });
  for (const name of expected.keys()) report.violation(`The total ${name} is missing.`);
}
