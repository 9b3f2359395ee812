import { Program, whole } from '../../commands/program.ts';

export interface BenchOptions {
  readonly events: number | undefined;
  /** Undefined: batches of 100, then single events. */
  readonly batch: number | undefined;
  readonly publishers: number | undefined;
  readonly consumers: number | undefined;
  readonly customers: number | undefined;
  readonly connections: number | undefined;
  readonly runs: number;
  readonly backlog: boolean;
  readonly durationS: number;
  readonly ratePerS: number;
  /** A folder for CPU profiles of the services. */
  readonly profile: string | undefined;
}

type CommandLine = Omit<Partial<BenchOptions>, 'durationS' | 'ratePerS'> & {
  readonly runs: number;
  readonly duration: number;
  readonly rate: number;
};

const number = whole(1, 100_000_000);

export function benchProgram(run: (options: BenchOptions) => number | Promise<number>): Program {
  return new Program('npm run bench --')
    .description(
      'Measures how many usage events this machine carries from the intake to the bill, with everything on it: broker, Redis ' +
        '(every write fsynced), sidecars, consumers, a simulated Stripe and the load itself. Exits with 0 only if Stripe was told ' +
        'exactly what was answered 202.',
    )
    .option('--batch <N>', 'events per request; without it 100 and then 1', number)
    .option('--events <N>', 'events per run (default: 3000000; 200000 in single requests)', number)
    .option('--customers <N>', 'customers, one key each (default: 1000; 50000 with --backlog)', number)
    .option('--publishers <N>', 'sidecars (default: 1)', number)
    .option('--consumers <N>', 'consumers (default: 1; 2 with --backlog)', number)
    .option('--connections <N>', 'requests at a time (default: 64; 256 for single requests)', number)
    .option('--runs <N>', 'runs; medians are printed', number, 3)
    .option('--profile <DIR>', 'write CPU profiles of all services to this folder')
    .option('--backlog', 'instead: is a steady load with many keys carried without a growing backlog?')
    .option('--rate <N>', 'its events per second', number, 10_000)
    .option('--duration <N>', 'how long, in seconds', number, 1_200)
    .examples('npm run bench -- --batch 100 --runs 5', 'npm run bench -- --backlog')
    .runs<CommandLine>(({ duration, rate, backlog = false, ...options }) => {
      const { events, batch, publishers, consumers, customers, connections, runs, profile } = options;
      const counts = { events, batch, publishers, consumers, customers, connections, runs };
      return run({ ...counts, profile, backlog, durationS: duration, ratePerS: rate });
    });
}
