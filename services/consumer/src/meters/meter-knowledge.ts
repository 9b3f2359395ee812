import { type MeterCatalog, metersOf, unreadableOf } from './meter-list.ts';

/** A meter of which events were counted without knowing it. */
export interface UnknownMeter {
  readonly account: string;
  readonly meter: string;
  /** When its first event was counted, monotonic. */
  readonly countedAtMs: number;
  events: number;
}

/**
 * What the catalog says about a meter, of which events were counted without knowing it, when their set is due:
 * - `known`: it exists, or it does not because it is not in a list that was asked for after its first event had come, and after
 *   the set was due: what the provider would take now must not be refused on its word of five minutes ago;
 * - `wait`: a newer list may come;
 * - `apart`: the list cannot be read. That holds nobody up: each event becomes an entry of its own, which is right
 *   whatever the formula turns out to be, and these entries wait for the list;
 * - `beyond`: so do more events than there is room for. They are merged and parked, not sent, and sent again by themselves once
 *   the list has the meter, if it adds up.
 */
export type Knowledge = 'known' | 'wait' | 'apart' | 'beyond';

/** How long a set that is due waits for a list of which nothing is heard: longer than a whole read may take. */
export const listWaitMs = 10_000;
/**
 * For how long a list must have been unreadable, or an account closed, before what there is no room for is parked. It counts from when
 * that began: a set that waited for so long anew would keep everybody else of its shard waiting with it, each time.
 */
export const beyondWaitMs = 60_000;

export function knowledgeOf(
  { account, meter, countedAtMs, events }: UnknownMeter,
  catalog: MeterCatalog,
  dueSinceMs: number,
  room: number,
  nowMs: number,
): Knowledge {
  const list = metersOf(catalog, account);
  if (list?.meters.has(meter) === true) return 'known';
  if (list !== undefined && list.askedAtMs >= Math.max(dueSinceMs, countedAtMs)) return 'known';
  const unreadable = unreadableOf(catalog, account);
  if (unreadable === undefined && nowMs - dueSinceMs < listWaitMs) return 'wait';
  if (events <= room) return 'apart';
  const sinceMs = Math.min(dueSinceMs, unreadable?.sinceMs ?? dueSinceMs);
  return nowMs - sinceMs < beyondWaitMs ? 'wait' : 'beyond';
}

/** By account and meter, what its events become; what is not here is known. */
export type Unsure = ReadonlyMap<string, 'apart' | 'beyond'>;

/**
 * The meters of which not enough is known to merge their events, once all of them are to be sealed as they are; a string: the
 * list of this account is waited for.
 */
export function unsureMeters(
  unknown: ReadonlyMap<string, UnknownMeter>,
  catalog: MeterCatalog,
  dueSinceMs: number,
  roomForAll: number,
  nowMs: number,
): Unsure | string {
  const unsure = new Map<string, 'apart' | 'beyond'>();
  let room = roomForAll;
  for (const [name, meter] of unknown) {
    const knowledge = knowledgeOf(meter, catalog, dueSinceMs, room, nowMs);
    if (knowledge === 'wait') return meter.account;
    if (knowledge === 'known') continue;
    if (knowledge === 'apart') room -= meter.events;
    unsure.set(name, knowledge);
  }
  return unsure;
}

/** Of these accounts, those whose meters are known: only they can be called. */
export function withKnownMeters(
  armed: ReadonlyMap<string, number>,
  catalog: MeterCatalog,
): ReadonlyMap<string, number> {
  if (armed.size === 0 || (armed.size === 1 && armed.has(''))) return armed;
  return new Map([...armed].filter(([account]) => metersOf(catalog, account) !== undefined));
}
