import type { Logger } from '../../../../shared/log/log.ts';
import type { Meter } from '../provider/provider.ts';

/** Tells a person, once per meter and process, about meters that cost or lose more than they seem to. */
export interface MeterNotices {
  about(meters: readonly Meter[]): void;
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
