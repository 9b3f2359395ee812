import type { Rates } from './drawing/profile.ts';
import { type Cut, type Schedule } from './drawing/schedule.ts';

/** A cut with everything named, so that it can be made smaller step by step. */
export type FullCut = Required<Cut>;

export interface Shrunk {
  readonly cut: FullCut;
  /** How many runs it took. */
  readonly runs: number;
}

/** Nothing is left out yet. */
export function fullCut({ faults, requests, profile }: Schedule): FullCut {
  return {
    faults: faults.map((_, index) => index),
    requests: requests.map((_, index) => index),
    rates: (Object.keys(profile.rates) as (keyof Rates)[]).filter((name) => profile.rates[name] > 0),
    activeMs: profile.activeMs,
  };
}

/**
 * Makes a failing schedule shorter for as long as it still fails: less time, fewer faults, fewer requests, fewer things that go
 * wrong by chance. What is left out changes what happens afterwards by chance, so this is a search and no proof that
 * nothing shorter fails. `fails` runs a cut; no more than `runsMax` times, and only while `mayGoOn`.
 */
export function shrink(
  whole: FullCut,
  fails: (cut: FullCut) => boolean,
  { runsMax, mayGoOn }: { readonly runsMax: number; readonly mayGoOn: () => boolean },
): Shrunk {
  let cut = whole;
  let runs = 0;
  const isShorter = (candidate: FullCut): boolean => {
    if (runs >= runsMax || !mayGoOn()) return false;
    runs++;
    if (!fails(candidate)) return false;
    cut = candidate;
    return true;
  };
  const dropFrom = (name: 'faults' | 'requests' | 'rates'): boolean => {
    let dropped = false;
    // Large parts first; what could not be left out together may go one by one.
    for (let size = Math.max(1, cut[name].length >> 1); size >= 1; size >>= 1) {
      for (let start = 0; start < cut[name].length;) {
        const kept = cut[name].filter((_, index) => index < start || index >= start + size);
        if (isShorter({ ...cut, [name]: kept })) dropped = true;
        else start += size;
      }
    }
    return dropped;
  };
  const shortenTime = (): boolean => {
    let shortened = false;
    for (const part of [0.5, 0.75, 0.9]) {
      while (isShorter({ ...cut, activeMs: Math.floor(cut.activeMs * part) })) shortened = true;
    }
    return shortened;
  };
  for (let goesOn = true; goesOn;) {
    goesOn = [shortenTime(), dropFrom('faults'), dropFrom('requests'), dropFrom('rates')].includes(true);
  }
  return { cut, runs };
}

/** As it is given on the command line, behind the seed. */
export function cutOptions({ faults, requests, rates, activeMs }: FullCut): string {
  const list = (names: readonly (string | number)[]): string => (names.length === 0 ? 'none' : names.join(','));
  return `--active-ms ${activeMs} --faults ${list(faults)} --requests ${list(requests)} --rates ${list(rates)}`;
}
