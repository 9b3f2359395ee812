import { type MeterCatalog, metersOf, type UnknownMeter } from './open-set.ts';

/**
 * Whether the catalog says enough about a meter, of which events were counted without knowing it, to seal them. It exists, or
 * it does not because it is not in a list that was asked for after its first event had come, and after the set was due: what
 * the provider would take now must not be refused on its word of five minutes ago. A connected account whose meters
 * cannot be read holds nobody up: its events stay apart, if there are no more than `roomForEach`.
 */
export function isKnownEnough(
  { account, meter, countedAtMs, events }: UnknownMeter,
  catalog: MeterCatalog,
  dueSinceMs: number,
  roomForEach: number,
): boolean {
  const list = metersOf(catalog, account);
  if (list?.meters.has(meter) === true) return true;
  if (list !== undefined && list.askedAtMs >= Math.max(dueSinceMs, countedAtMs)) return true;
  return catalog.connected?.get(account)?.unreadable !== undefined && events <= roomForEach;
}

/** Of these accounts, those whose meters are known: only they can be called. */
export function withKnownMeters(
  armed: ReadonlyMap<string, number>,
  catalog: MeterCatalog,
): ReadonlyMap<string, number> {
  if (armed.size === 0 || (armed.size === 1 && armed.has(''))) return armed;
  return new Map([...armed].filter(([account]) => metersOf(catalog, account) !== undefined));
}
