import type { Checker } from '../checker/checker.ts';
import type { Profile, Rates } from '../drawing/profile.ts';
import type { Tally } from '../time/tally.ts';
import type { Timeline } from '../time/timeline.ts';
import type { Trace } from '../time/trace.ts';

/** What every part of one simulated run shares. */
export interface World {
  readonly profile: Profile;
  /** How often small things go wrong now; all zero once the faults are over. */
  rates: Rates;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly tally: Tally;
  readonly checker: Checker;
}
