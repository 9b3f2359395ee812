import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runCampaign } from './simulate/campaign.ts';
import { mutantNamed } from './simulate/mutants/mutants.ts';
import { applyPatches } from './patch/patch.ts';
import { ciSeeds, proveAll } from './simulate/mutants/report.ts';
import { type Cut, cutOf } from './simulate/drawing/schedule.ts';

/**
 * Runs whole clusters of the real cores on models of the broker, the journal and the provider, under faults drawn from
 * a seed, and audits what was billed. scripts/proof/simulate/README.md says more.
 */
const help = `npm run simulate -- …
  --seeds 2000             seeds 1 to 2000, on every core
  --seeds 2000 --from 500  another start; --from time: one that differs at every run, and is printed
  --seconds 120            goes on for that long; with --seeds, until there are so many, but not for more than twice as long
  --seed 49                one seed again, with all that happened in it
  --seed 49 --faults 1,4 --requests none --rates none --active-ms 3000    only a part of its schedule
  --mutants [NAME …]       breaks one rule after the other: the checker has to find each out. It begins with the seed that the
                           table of scripts/proof/simulate/README.md names, unless --from says where
  --mutants --write        the same from seed 1 on, and writes what was found to that table
  --seed 49 --mutant NAME  one seed with one rule broken`;

const defaultSeeds = 2000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', default: false },
      seeds: { type: 'string' },
      from: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      requests: { type: 'string' },
      rates: { type: 'string' },
      'active-ms': { type: 'string' },
      mutant: { type: 'string' },
      mutants: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const processes = availableParallelism();
  const seeds = values.seeds === undefined ? undefined : whole('seeds', values.seeds);
  const from =
    values.from === undefined ? undefined : values.from === 'time' ? startOfNow() : whole('from', values.from);
  if (values.mutants)
    return await proveAll({ names: positionals, processes, write: values.write, seeds: seeds ?? ciSeeds, from });
  if (values.seed !== undefined) {
    if (values.mutant !== undefined) applyPatches(mutantNamed(values.mutant).patches);
    return await replay(whole('seed', values.seed), cutOf({ ...values, activeMs: values['active-ms'] }));
  }
  const seconds = values.seconds === undefined ? undefined : whole('seconds', values.seconds);
  return await runMany(from ?? 1, seeds, seconds, processes);
}

/** Loaded only now: a mutant has to be in place before. */
const failures = () => import('./simulate/failure.ts');

async function replay(seed: number, cut: Cut): Promise<number> {
  const { printRun } = await failures();
  return printRun(seed, cut) ? 0 : 1;
}

async function runMany(
  from: number,
  seeds: number | undefined,
  seconds: number | undefined,
  processes: number,
): Promise<number> {
  const wanted = seeds ?? (seconds === undefined ? defaultSeeds : 0);
  const leastMs = (seconds ?? 0) * 1000;
  const longestMs = seconds === undefined ? Number.POSITIVE_INFINITY : 2 * leastMs;
  console.log(`Seeds from ${from}, ${processes} processes.`);
  const { summary, elapsedMs, failedSeed } = await runCampaign({ from, seeds: wanted, longestMs, leastMs, processes });
  if (failedSeed !== undefined) {
    const { explainFailure } = await failures();
    explainFailure(failedSeed);
    return 1;
  }
  console.log(summary.text(elapsedMs));
  if (summary.seeds < wanted)
    console.log(`Only ${summary.seeds} of ${wanted} seeds fitted: this machine is slow, or busy with other things.`);
  return 0;
}

/** Runs that begin in different seconds have nothing in common for a long time. */
function startOfNow(): number {
  return (Math.floor(Date.now() / 1000) * 100_003) % 900_000_000;
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`--${name} is ${JSON.stringify(text)}; it may be a whole number up to 999999999.`);
  process.exit(64);
}

process.exitCode = await main();
