import { drawProfile } from './draw-profile.ts';
import { type FaultKind, noRates, type Profile, type Rates } from './profile.ts';
import { Random } from '../time/random.ts';

/** A fault that will happen; what it draws is its own, so that one fault less changes nothing in the others. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly random: Random;
}

export interface PlannedRequest {
  readonly name: string;
  readonly atMs: number;
  readonly random: Random;
}

/** What is left of a schedule, to see whether it fails all the same. Whatever is absent is left as it was. */
export interface Cut {
  /** Numbers of the faults that stay, in order of time. */
  readonly faults?: readonly number[];
  readonly requests?: readonly number[];
  /** Chances that stay; the others are zero. */
  readonly rates?: readonly (keyof Rates)[];
  readonly activeMs?: number;
}

/** Everything that a seed decides before the run begins. */
export interface Schedule {
  readonly profile: Profile;
  readonly faults: readonly PlannedFault[];
  readonly requests: readonly PlannedRequest[];
  /** For whatever happens by chance while the run goes on. */
  readonly random: Random;
}

export function drawSchedule(seed: number, cut: Cut = {}): Schedule {
  const random = new Random(seed);
  const profile = drawProfile(random.fork());
  const faults = planFaults(profile, random.fork());
  const requests = planRequests(profile, random.fork());
  const activeMs = cut.activeMs ?? profile.activeMs;
  const isKept = (kept: readonly number[] | undefined, index: number, atMs: number): boolean =>
    atMs < activeMs && (kept === undefined || kept.includes(index));
  return {
    profile: { ...profile, activeMs, rates: keptRates(profile.rates, cut.rates) },
    faults: faults.filter(({ atMs }, index) => isKept(cut.faults, index, atMs)),
    requests: requests.filter(({ atMs }, index) => isKept(cut.requests, index, atMs)),
    random,
  };
}

function planFaults({ faults, activeMs }: Profile, random: Random): PlannedFault[] {
  const planned: PlannedFault[] = [];
  for (const [kind, meanMs] of Object.entries(faults) as [FaultKind, number][]) {
    for (let atMs = random.exponential(meanMs); atMs < activeMs; atMs += random.exponential(meanMs))
      planned.push({ kind, atMs, random: random.fork() });
  }
  return planned.sort((left, right) => left.atMs - right.atMs);
}

function planRequests({ requests, activeMs }: Profile, random: Random): PlannedRequest[] {
  const planned = Array.from({ length: requests }, () => ({
    atMs: random.between(0, activeMs),
    random: random.fork(),
  }));
  return planned
    .sort((left, right) => left.atMs - right.atMs)
    .map((request, index) => ({ ...request, name: `request ${index}` }));
}

function keptRates(rates: Rates, kept: readonly (keyof Rates)[] | undefined): Rates {
  if (kept === undefined) return rates;
  return { ...noRates, ...Object.fromEntries(kept.map((name) => [name, rates[name]])) };
}

/** A cut as the command line names it: lists with commas, or `none`. */
export interface CutOptions {
  readonly faults?: string | undefined;
  readonly requests?: string | undefined;
  readonly rates?: string | undefined;
  readonly activeMs?: number | undefined;
}

export function cutOf(said: CutOptions): Cut {
  const list = (text: string): string[] => (text === 'none' ? [] : text.split(','));
  const isRate = (name: string): name is keyof Rates => name in noRates;
  return {
    ...(said.faults === undefined ? {} : { faults: list(said.faults).map(Number) }),
    ...(said.requests === undefined ? {} : { requests: list(said.requests).map(Number) }),
    ...(said.rates === undefined ? {} : { rates: list(said.rates).filter(isRate) }),
    ...(said.activeMs === undefined ? {} : { activeMs: said.activeMs }),
  };
}
