import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Formula, Meter } from '../provider/provider.ts';

/**
 * Whether an entry is right for the meter that has its name now. The provider is told a name only, and a name may have got
 * another meter since the entry's events were merged: that would take a sum for a last value, or for one event.
 *
 * One event is right whatever the formula. Merged events are right for the formula that they were merged by.
 */
export type Merged = Pick<Entry, 'meter' | 'meterId' | 'events' | 'refusal'>;

/** `unknown`: nobody can tell, or this list of meters is older than the entry's meter. */
export type Fit = 'fits' | 'differs' | 'unknown';

export function fitOf(entry: Merged, meter: Meter): Fit {
  if (entry.events === 1) return 'fits';
  const formula = mergedBy(entry, meter);
  if (formula === undefined) return 'unknown';
  return formula === meter.formula && formula !== 'count' ? 'fits' : 'differs';
}

/** The formula by which the events were merged; undefined: not known, or it is one event. `meter` has the entry's name now. */
export function mergedBy({ meterId, events, refusal }: Merged, meter: Meter): Formula | undefined {
  if (events === 1) return undefined;
  const { id, formula, namesakes = [] } = meter;
  if (meterId !== undefined) {
    return meterId === id ? formula : namesakes.find((namesake) => namesake.id === meterId)?.formula;
  }
  // Sealed when the account had no meter of that name: its events were added up.
  if (refusal !== undefined) return 'sum';
  // Of a journal without ids of meters. What the name always meant, it meant then.
  return namesakes.every((namesake) => namesake.formula === formula) ? formula : undefined;
}
