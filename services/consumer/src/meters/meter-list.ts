import type { Meter } from '../provider/provider.ts';

/** The meters of one account as the provider listed them; one that is not in it did not exist at `askedAtMs` (monotonic). */
export interface MeterList {
  readonly meters: ReadonlyMap<string, Meter>;
  readonly askedAtMs: number;
  /** Why there is nothing newer. What it has counts as before; of what it does not have it says nothing. */
  readonly unreadable?: Unreadable;
}

/** A list cannot be read: its account is revoked, or does not exist, or the read failed. */
export interface Unreadable {
  readonly reason: string;
  /** When its first read failed, monotonic. */
  readonly sinceMs: number;
}

/** This account's meters could not be read so far. */
export interface UnreadableMeters {
  readonly meters?: undefined;
  readonly unreadable: Unreadable;
}

/** The platform's own meters, and those of each connected account that was asked for so far. */
export interface MeterCatalog extends MeterList {
  readonly connected?: ReadonlyMap<string, MeterList | UnreadableMeters>;
}

/** Undefined: not known (yet). */
export function metersOf(catalog: MeterCatalog, account: string | undefined): MeterList | undefined {
  if (account === undefined || account === '') return catalog;
  const known = catalog.connected?.get(account);
  return known?.meters === undefined ? undefined : known;
}

export function meterOf(
  catalog: MeterCatalog,
  of: { readonly account?: string; readonly meter: string },
): Meter | undefined {
  return metersOf(catalog, of.account)?.meters.get(of.meter);
}

/** Why there is no newer list of the account, as far as that is known. */
export function unreadableOf(catalog: MeterCatalog, account: string): Unreadable | undefined {
  return account === '' ? catalog.unreadable : catalog.connected?.get(account)?.unreadable;
}

/** Unambiguous, since no part can contain NUL. */
export function meterName(account: string | undefined, meter: string): string {
  return `${account ?? ''}\0${meter}`;
}
