import { parseArgs } from 'node:util';

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

export const usage = `Usage: npm run bench -- [options]

Measures how many usage events this machine carries from the intake to the bill, with everything on it: broker, Redis
(every write fsynced), sidecars, consumers, a simulated Stripe and the load itself. Exit status: 0 only if Stripe was told
exactly what was answered 202.

  --batch N        events per request; without it 100 and then 1
  --events N       events per run                       (3000000; 200000 in single requests)
  --customers N    customers, one key each              (1000)
  --publishers N   sidecars                             (1)
  --consumers N    consumers                            (1)
  --connections N  requests at a time                   (64; 256 for single requests)
  --runs N         runs; medians are printed            (3)
  --profile DIR    write CPU profiles of all services to this folder

  --backlog        instead: is a steady load with many keys carried without a growing backlog?
  --rate N         its events per second                (10000)
  --customers N    its customers, one key each          (50000)
  --consumers N    its consumers                        (2)
  --duration N     how long, in seconds                 (1200)
  --help
`;

const numbers = [
  'events',
  'batch',
  'publishers',
  'consumers',
  'customers',
  'connections',
  'runs',
  'duration',
  'rate',
] as const;
const most = 100_000_000;

/** The arguments were not understood: `message` says which, in one sentence. */
export class UsageError extends Error {}

/** Reads the command line; `help` when that is what was asked for. Throws a `UsageError`. */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' {
  const values = read(args);
  if (values.help === true) return 'help';
  const number = (name: (typeof numbers)[number]): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (/^[1-9]\d*$/.test(text) && Number(text) <= most) return Number(text);
    throw new UsageError(`--${name} is "${text}"; it may be a whole number from 1 to ${most}.`);
  };
  return {
    events: number('events'),
    batch: number('batch'),
    publishers: number('publishers'),
    consumers: number('consumers'),
    customers: number('customers'),
    connections: number('connections'),
    runs: number('runs') ?? 3,
    backlog: values.backlog ?? false,
    durationS: number('duration') ?? 1_200,
    ratePerS: number('rate') ?? 10_000,
    profile: values.profile,
  };
}

function read(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ events: text, batch: text, publishers: text, consumers: text, customers: text, connections: text },
        ...{ runs: text, profile: text, backlog: flag, duration: text, rate: text, help: { ...flag, short: 'h' } },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
