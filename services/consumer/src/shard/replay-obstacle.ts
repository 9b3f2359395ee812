import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Meter } from '../provider/provider.ts';

/**
 * Why a replay must not be sent as it is. An entry that was refused when it was sealed is the sum of its events, because nothing
 * was known of its meter then; it may only go to a meter that adds up. Undefined: nothing speaks against it.
 */
export function replayObstacle(
  { refusal, meter: name, events }: Pick<Entry, 'refusal' | 'meter' | 'events'>,
  meters: ReadonlyMap<string, Meter>,
): string | undefined {
  if (refusal === undefined) return undefined;
  const meter = meters.get(name);
  if (meter === undefined) return `no_meter: the provider has no meter named ${name}`;
  if (meter.eventTimeWindow !== undefined) {
    return (
      `meter_has_event_time_window: this meter keeps only the last event of each ${meter.eventTimeWindow}, ` +
      'so counts would overwrite each other; bill it with a meter without event_time_window'
    );
  }
  if (meter.formula === 'sum' || events === 1) return undefined;
  return (
    `replay_is_a_sum: ${events} events were added up while the meter was unknown, and a ${meter.formula} meter would ` +
    'take the sum for one event; bill it by hand and discard it'
  );
}
