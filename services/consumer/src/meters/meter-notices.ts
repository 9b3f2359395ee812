import type { Logger } from '../../../../shared/log/log.ts';
import type { Meter } from '../provider/provider.ts';
import type { MeterList } from './meter-list.ts';

/** Tells a person, once per meter and process, about meters that cost or lose more than they seem to, and about changes. */
export interface MeterNotices {
  about(meters: readonly Meter[]): void;
  /** A newer list; `account`: of which connected account. */
  changed(list: MeterList, before: MeterList | undefined, account?: string): void;
}

export function createMeterNotices(log: Logger): MeterNotices {
  const told = new Set<string>();
  return {
    about(meters) {
      for (const meter of meters) {
        if (told.has(meter.eventName) || isUnremarkable(meter)) continue;
        told.add(meter.eventName);
        tell(meter, log);
      }
    },
    changed(list, before, account) {
      for (const [name, meter] of list.meters) {
        const was = before?.meters.get(name);
        if (was?.id === undefined || meter.id === undefined || was.id === meter.id) continue;
        const fields = {
          meter: name,
          was: was.id,
          wasFormula: was.formula,
          is: meter.id,
          formula: meter.formula,
          account,
        };
        log.warn(fields, was.formula === meter.formula ? sameFormula : otherFormula);
      }
    },
  };
}

function isUnremarkable({ formula, eventTimeWindow }: Meter): boolean {
  return formula !== 'count' && eventTimeWindow === undefined;
}

function tell({ eventName, eventTimeWindow }: Meter, log: Logger): void {
  if (eventTimeWindow === undefined) {
    log.warn(
      { meter: eventName },
      'This meter counts events, so they cannot be merged: N usage events are N calls to the billing provider. Prefer a sum meter with the value 1.',
    );
    return;
  }
  log.error(
    { meter: eventName, eventTimeWindow },
    'This meter overwrites a whole time window with each event, so counts would replace each other: its usage is refused and parked as dead. Use a meter without an event time window.',
  );
}

const sameFormula =
  'This name means another meter now, with the same formula: usage goes to the new one, also what was counted before.';
const otherFormula =
  'This name means another meter now, with another formula. Usage from now on is right; what was merged for the one before and not sent is parked as dead, see tallyman entries.';
