import type { Item } from '../lanes/item.ts';
import type { MeterList } from '../meters/meter-list.ts';
import { changeOf, refusalOf, replayObstacle } from '../meters/refusals.ts';

/**
 * Whether an entry may be called: not before a list of meters says so that is new enough, and not if its meter, or the one
 * that has its name by now, could not take it.
 */
export type Verdict = 'call' | 'wait' | { readonly refusal: string };

/** A list that cannot be read must not hold a shard up for ever: then the last one counts. */
export const newerListWaitMs = 60_000;

export function verdictOf(
  { entry, history, sinceMs, unresolvedSinceMs }: Item,
  { meters, askedAtMs }: MeterList,
  nowMs: number,
): Verdict {
  const meter = meters.get(entry.meter);
  // What may have been sent already finds itself at the provider; but a replay may not be what its meter could take.
  const isResent = unresolvedSinceMs !== undefined && history === undefined;
  if (meter === undefined) {
    if (isResent) return 'call';
    return askedAtMs < sinceMs ? 'wait' : { refusal: refusalOf(entry.meter, meter) };
  }
  const refusal = history === undefined ? undefined : replayObstacle(entry, meters);
  const obstacle = refusal ?? (isResent ? undefined : refusalOf(entry.meter, meter)) ?? changeOf(entry, meter);
  if (obstacle === undefined) return 'call';
  return askedAtMs < sinceMs && nowMs - sinceMs < newerListWaitMs ? 'wait' : { refusal: obstacle };
}
