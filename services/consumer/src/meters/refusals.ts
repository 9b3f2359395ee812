import { counted } from '../../../../shared/log/troubles.ts';
import type { Meter } from '../provider/provider.ts';
import { fitOf, type Merged, mergedBy } from './meter-fit.ts';

/** Why usage of this meter cannot be billed, whatever it is; `meter` is undefined if the account has none of that name. */
export function refusalOf(name: string, meter: undefined): string;
export function refusalOf(name: string, meter: Meter | undefined): string | undefined;
export function refusalOf(name: string, meter: Meter | undefined): string | undefined {
  if (meter === undefined) return `no_meter: the provider has no meter named ${name}`;
  if (meter.eventTimeWindow === undefined) return undefined;
  return (
    `meter_has_event_time_window: this meter keeps only the last event of each ${meter.eventTimeWindow}, ` +
    'so counts would overwrite each other; bill it with a meter without event_time_window'
  );
}

/** How the refusal of usage begins whose meter may exist, and have any formula. */
export const unlistedRefusal = 'no_meter: nobody could tell';

export function unlisted(meter: string, unreadable = 'no answer so far'): string {
  return `${unlistedRefusal} whether there is a meter named ${meter}, because the meters cannot be read: ${unreadable}`;
}

/** Ends the refusal of what was merged across dimensions. A meter may price by them, so it is not replayed. */
export const dimensionsLeftOut = '; there were too many, so their dimensions were left out';

/** Stands in the refusal of what was added up whatever its time, so that only a person has it replayed. */
export const timesLeftOut = '; there were too many, so their times were left out';

export function areTimesLeftOut({ refusal }: Pick<Merged, 'refusal'>): boolean {
  return refusal?.includes(timesLeftOut) === true;
}

export function areDimensionsLeftOut({ refusal }: Pick<Merged, 'refusal'>): boolean {
  return refusal?.endsWith(dimensionsLeftOut) === true;
}

/**
 * Why a replay must not be sent as it is: it may only go to a meter for which its events were merged rightly, whether or not
 * it was sent before. Undefined: nothing speaks against it.
 */
export function replayObstacle(entry: Merged, meters: ReadonlyMap<string, Meter>): string | undefined {
  const meter = meters.get(entry.meter);
  const refusal = refusalOf(entry.meter, meter);
  if (meter === undefined || refusal !== undefined) return refusal;
  if (areDimensionsLeftOut(entry))
    return 'dimensions_were_left_out: the meter may price by them; bill it by hand and discard this entry';
  if (fitOf(entry, meter) === 'fits') return undefined;
  return `replay_is_a_sum: ${wrongFor(entry, meter)}`;
}

/** What merged events would become, and what to do. */
export function wrongFor(entry: Merged, meter: Meter): string {
  const formula = mergedBy(entry, meter);
  const merged =
    formula === 'sum'
      ? 'were added up'
      : formula === 'last'
        ? 'were merged into the last value'
        : 'were merged for a meter that this name may not mean any more';
  return (
    `${counted(entry.events, 'event')} ${merged}, and ${entry.meter} is a ${meter.formula} meter now, which would bill them wrong; ` +
    'bill them by hand and discard this entry'
  );
}

/**
 * Merged events are called for their own meter only. While that is archived, the name may get another one at any moment, and the
 * provider would take them for that.
 */
export function changeOf(entry: Merged, meter: Meter): string | undefined {
  if (entry.events === 1) return undefined;
  const fit = fitOf(entry, meter);
  if (fit === 'differs' || (fit === 'unknown' && entry.meterId !== undefined))
    return `meter_made_anew: ${wrongFor(entry, meter)}`;
  if (meter.archived !== true) return undefined;
  return `archived_meter: ${entry.meter} takes no events; they are sent by themselves once it is active again`;
}
