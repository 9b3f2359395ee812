import type { Meter } from '../../../services/consumer/src/provider/provider.ts';
import type { StoredCatalog } from '../../../services/consumer/src/meters/stored-catalog.ts';

/** A list of meters as a person reads it. */
export function metersText({ meters, readAtMs }: StoredCatalog, redisMs: number): string {
  const rows = meters.map((meter) => [meter.eventName, meter.id ?? '', meter.formula, remarkOf(meter)]);
  const table = [['meter', 'id', 'formula', ''], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const seconds = Math.max(0, Math.round((redisMs - readAtMs) / 1_000));
  return `${lines.join('\n')}\nRead from Stripe ${seconds} s ago.`;
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
