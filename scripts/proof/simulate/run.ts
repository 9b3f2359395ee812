import { Checker } from './checker/checker.ts';
import { Client } from './client.ts';
import { Cluster } from './cluster.ts';
import { Epilogue } from './epilogue.ts';
import { Faults } from './faults.ts';
import { Operator } from './operator.ts';
import type { Profile } from './drawing/profile.ts';
import { type Cut, drawSchedule } from './drawing/schedule.ts';
import { Settlement } from './settlement.ts';
import { Tally } from './time/tally.ts';
import { Timeline } from './time/timeline.ts';
import { Trace } from './time/trace.ts';
import type { World } from './models/world.ts';

export interface RunResult {
  readonly seed: number;
  readonly profile: Profile;
  readonly violations: readonly string[];
  readonly tally: Tally;
  /** Empty unless it was asked for. */
  readonly trace: readonly string[];
  readonly virtualMs: number;
  /** Steps of the timeline: with the virtual time a cheap fingerprint of the run. */
  readonly steps: number;
}

/** Whether anything stands still, until the trouble is over. */
function watch({ timeline, profile, checker }: World): void {
  for (let atMs = 0; atMs <= profile.activeMs; atMs += profile.leaseMs / 10)
    timeline.at(atMs, () => checker.standstill.look(timeline.nowMs));
}

/** One run of one seed, from the first process to the audit. The same seed always gives the same run. */
export function runSeed(seed: number, options: { readonly trace: boolean; readonly cut?: Cut }): RunResult {
  const { profile, faults, requests, random } = drawSchedule(seed, options.cut);
  const timeline = new Timeline();
  const checker = new Checker(
    profile,
    () => timeline.nowMs,
    () => timeline.stop(),
  );
  const trace = new Trace(timeline, options.trace);
  const tally = new Tally();
  const world: World = { profile, timeline, checker, trace, tally, rates: profile.rates };
  const cluster = new Cluster(world, random.fork());
  const client = new Client(world, requests, () => cluster.publishers);
  void new Faults(world, cluster, faults, random.fork());
  if (profile.isSoonBilled === true) watch(world);
  const epilogue = new Epilogue(world, cluster, client, random.fork());
  void new Settlement(world, cluster, client, epilogue);
  // What was decided about entries that Redis then forgets is decided again: a person's affair, not a schedule's.
  if (profile.faults.redis_loses_writes === undefined) void new Operator(world, cluster.redis, random.fork());
  try {
    timeline.run();
  } catch (error) {
    checker.violation(`A core threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  tally.add(`profile: ${profile.name}`);
  tally.add('lines of the bill checked', checker.lines.checked);
  tally.add('lines of the bill not checked', checker.lines.unchecked);
  for (const violation of checker.violations) trace.line('violation', violation);
  return {
    seed,
    profile,
    violations: checker.violations,
    tally,
    trace: trace.lines,
    virtualMs: timeline.nowMs,
    steps: timeline.happened,
  };
}
