/** `npm run bench`. What it measures stands in bench/options.ts and in README.md beside this file. */
import { once } from 'node:events';
import { main, type Program } from '../commands/program.ts';
import { openNursery, type Nursery } from '../../shared/testing/nursery.ts';
import { type BacklogPlan, measureBacklog } from './bench/measure-backlog.ts';
import { type BenchOptions, benchProgram } from './bench/options.ts';
import { describeMachine, openPlace } from './bench/place.ts';
import { describePlan, reportThroughput } from './bench/report.ts';
import { measureThroughput, type ThroughputPlan, type ThroughputRun } from './bench/throughput.ts';

const exitCodes = { balanced: 0, failed: 1, interrupted: 130 } as const;

export function program(): Program {
  return benchProgram(bench);
}

async function bench(options: BenchOptions): Promise<number> {
  const nursery = await openNursery();
  try {
    return await Promise.race([
      run(options, nursery),
      once(process, 'SIGINT').then(() => exitCodes.interrupted),
      once(process, 'SIGTERM').then(() => exitCodes.interrupted),
    ]);
  } finally {
    await nursery.close();
  }
}

async function run(options: BenchOptions, nursery: Nursery): Promise<number> {
  const place = await openPlace(nursery);
  say(describeMachine(place));
  if (options.backlog) {
    return (await measureBacklog(place, backlogPlanOf(options), say)) ? exitCodes.balanced : exitCodes.failed;
  }
  let balanced = true;
  for (const batch of options.batch === undefined ? [100, 1] : [options.batch]) {
    const plan = planOf(options, batch);
    say(`\n${describePlan(plan)}`);
    const runs: ThroughputRun[] = [];
    while (runs.length < options.runs) {
      const measured = await measureThroughput(place, plan);
      balanced &&= measured.verdict.differences.length === 0;
      runs.push(measured);
    }
    say(reportThroughput(plan, runs));
  }
  return balanced ? exitCodes.balanced : exitCodes.failed;
}

function planOf(options: BenchOptions, batch: number): ThroughputPlan {
  const single = batch === 1;
  return {
    batch,
    events: options.events ?? (single ? 200_000 : 3_000_000),
    customers: options.customers ?? 1_000,
    connections: options.connections ?? (single ? 256 : 64),
    publishers: options.publishers ?? 1,
    consumers: options.consumers ?? 1,
    profile: options.profile,
  };
}

function backlogPlanOf({ customers, publishers, consumers, profile, ratePerS, durationS }: BenchOptions): BacklogPlan {
  return {
    customers: customers ?? 50_000,
    publishers: publishers ?? 1,
    consumers: consumers ?? 2,
    profile,
    ratePerS,
    durationS,
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

if (import.meta.main) await main(program(), 'The bench failed');
