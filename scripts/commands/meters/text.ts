import type { Meter } from '../../../services/consumer/src/provider/provider.ts';
import type { StoredCatalog } from '../../../services/consumer/src/meters/stored-catalog.ts';
import { tableOf } from '../table.ts';

/** A list of meters as a person reads it. */
export function metersText({ meters, readAtMs }: StoredCatalog, redisMs: number): string {
  const rows = meters.map((meter) => [meter.eventName, meter.id ?? '', meter.formula, remarkOf(meter)]);
  const seconds = Math.max(0, Math.round((redisMs - readAtMs) / 1_000));
  return `${tableOf(['meter', 'id', 'formula', ''], rows)}\nRead from Stripe ${seconds} s ago.`;
}

/** For programs. */
export function plainMeters({ meters, readAtMs }: StoredCatalog): object {
  return { readAt: new Date(readAtMs).toISOString(), meters };
}

function remarkOf({ archived, eventTimeWindow, formula, namesakes = [] }: Meter): string {
  const others = namesakes.map((namesake) => `${namesake.id} (${namesake.formula})`);
  return [
    ...(archived === true ? ['archived'] : []),
    ...(eventTimeWindow === undefined ? [] : [`overwrites each ${eventTimeWindow}: its usage is refused`]),
    ...(others.length === 0 ? [] : [`the name was another one's too: ${others.join(', ')}`]),
    ...(namesakes.some((namesake) => namesake.formula !== formula) ? ['with another formula'] : []),
  ].join(', ');
}
