import type { Meter } from '../provider/provider.ts';
import { fitOf, mergedBy, type Merged } from './meter-fit.ts';
import { areDimensionsLeftOut } from '../counting/refused-entries.ts';
import { refusalOf } from '../counting/seal.ts';
import { counted } from '../../../../shared/log/troubles.ts';

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
