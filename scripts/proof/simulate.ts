import { availableParallelism } from 'node:os';
import { Option } from 'commander';
import { nearestName } from '../../shared/config/nearest.ts';
import { main, Program, UsageError, valueOf, whole } from '../commands/program.ts';
import { runCampaign } from './simulate/campaign.ts';
import { mutantNamed, mutants } from './simulate/mutants/mutants.ts';
import { applyPatches } from './patch/patch.ts';
import { ciSeeds, proveAll } from './simulate/mutants/report.ts';
import { type Cut, type CutOptions, cutOf } from './simulate/drawing/schedule.ts';

const defaultSeeds = 2000;

interface CommandLine extends CutOptions {
  readonly seeds?: number;
  readonly from?: number | 'time';
  readonly seconds?: number;
  readonly seed?: number;
  readonly mutant?: string;
  readonly mutants?: boolean;
  readonly write?: boolean;
}

const wholeNumber = whole(0);
const list = valueOf('none, or numbers with commas', (text) =>
  /^(none|\d{1,9}(,\d{1,9})*)$/.test(text) ? text : undefined,
);
const nameOfMutant = valueOf('the name of a mutant, which scripts/proof/simulate/README.md lists', (name) =>
  mutants.some((mutant) => mutant.name === name) ? name : undefined,
);
const cuts = ['faults', 'requests', 'rates', 'activeMs'] as const;

export function program(): Program {
  return new Program('npm run simulate --')
    .description(
      'Runs whole clusters of the real cores on models of the broker, the journal and the provider, under faults drawn from a seed, ' +
        'and audits what was billed. Without an option it runs the seeds 1 to 2000, on every core. ' +
        'scripts/proof/simulate/README.md says more.',
    )
    .argument('[MUTANT...]', 'names, for --mutants')
    .option('--seeds <N>', `how many (default: ${defaultSeeds})`, wholeNumber)
    .option(
      '--from <N>',
      'the first of them; "time" is another one at every run, and is printed',
      valueOf('time, or a whole number', (text) =>
        text === 'time' ? text : /^\d{1,9}$/.test(text) ? Number(text) : undefined,
      ),
    )
    .option(
      '--seconds <N>',
      'go on for that long; with --seeds, until there are so many, but not for more than twice as long',
      wholeNumber,
    )
    .addOption(
      new Option('--seed <N>', 'one seed again, with all that happened in it')
        .argParser(wholeNumber)
        .conflicts(['seeds', 'from', 'seconds', 'mutants']),
    )
    .option('--faults <N,...>', 'of a --seed, only these faults of its schedule, or none', list)
    .option('--requests <N,...>', 'only these requests, or none', list)
    .option('--rates <NAME,...>', 'only these rates, or none')
    .option('--active-ms <N>', 'only the beginning', wholeNumber)
    .option('--mutant <NAME>', 'of a --seed, with this rule broken', nameOfMutant)
    .addOption(
      new Option(
        '--mutants',
        'break one rule after the other: the checker has to find each out. It begins with the seed that the table of ' +
          'scripts/proof/simulate/README.md names, unless --from says where',
      ).conflicts(['seconds']),
    )
    .option('--write', 'with --mutants: from seed 1 on, and write what was found to that table')
    .examples(
      'npm run simulate -- --from time --seconds 60',
      'npm run simulate -- --seed 49 --faults 1,4 --requests none --active-ms 3000',
      'npm run simulate -- --mutants',
    )
    .runs<CommandLine>(simulate);
}

async function simulate(options: CommandLine, names: readonly string[]): Promise<number> {
  const { seeds, from, seconds, seed, mutant, mutants: all = false, write = false } = options;
  const processes = availableParallelism();
  const start = from === 'time' ? startOfNow() : from;
  if (!all && (names.length > 0 || write)) throw new UsageError('Names of mutants and --write are for --mutants');
  const needsSeed =
    seed === undefined && [mutant, ...cuts.map((cut) => options[cut])].some((value) => value !== undefined);
  if (needsSeed) throw new UsageError('Missing option: --seed <N>');
  if (all) {
    const unknown = names.find((name) => !mutants.some((one) => one.name === name));
    if (unknown !== undefined) {
      const nearest = nearestName(
        unknown,
        mutants.map(({ name }) => name),
      );
      throw new UsageError(`Unknown mutant: ${unknown}${nearest === undefined ? '' : `; did you mean "${nearest}"?`}`);
    }
    return await proveAll({ names, processes, write, seeds: seeds ?? ciSeeds, from: start });
  }
  if (seed !== undefined) {
    if (mutant !== undefined) applyPatches(mutantNamed(mutant).patches);
    return await replay(seed, cutOf(options));
  }
  return await runMany(start ?? 1, seeds, seconds, processes);
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

if (import.meta.main) await main(program());
