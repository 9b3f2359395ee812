import { parseArgs } from 'node:util';

export interface DemoOptions {
  readonly events: number;
  readonly customers: number;
  readonly publishers: number;
  readonly consumers: number;
  /** Events per second at most. */
  readonly ratePerS: number;
  readonly chaos: boolean;
  readonly keep: boolean;
  readonly external: boolean;
}

export const usage = `Usage: ./scripts/demo [options]

Brings up a broker, Redis, a simulated Stripe, sidecars and consumers, sends usage through them, and checks that
Stripe was told exactly what was sent. Exit status: 0 only if nothing was lost and nothing counted twice.

  --events N       usage events to send              (100000)
  --customers N    customers that they belong to     (500)
  --publishers N   sidecars                          (2)
  --consumers N    consumers                         (2)
  --rate N         events per second at most         (a twentieth of the events, at least 5000)
  --chaos          kill a consumer and a sidecar in mid-load, with SIGKILL
  --keep           leave everything running at the end, until Ctrl-C
  --external       use AMQP_URL, REDIS_URL and STRIPE_API_BASE (a simulator) of the environment, as far as they
                   are set; without this they are never touched
  --help
`;

const numbers = {
  events: { standard: 100_000, most: 100_000_000 },
  customers: { standard: 500, most: 1_000_000 },
  publishers: { standard: 2, most: 16 },
  consumers: { standard: 2, most: 16 },
  rate: { standard: 0, most: 1_000_000 },
} as const;
const loadSeconds = 20;
const slowestRatePerS = 5_000;

/** The arguments were not understood: `message` says which, in one sentence. */
export class UsageError extends Error {}

/** Reads the command line; `help` when that is what was asked for. Throws a `UsageError`. */
export function parseOptions(args: readonly string[]): DemoOptions | 'help' {
  const values = read(args);
  if (values.help === true) return 'help';
  const number = (name: keyof typeof numbers): number => {
    const text = values[name];
    const { standard, most } = numbers[name];
    if (text === undefined) return standard;
    if (/^[1-9]\d*$/.test(text) && Number(text) <= most) return Number(text);
    throw new UsageError(`--${name} is "${text}"; it may be a whole number from 1 to ${most}.`);
  };
  const events = number('events');
  const { chaos = false, keep = false, external = false } = values;
  return {
    events,
    customers: number('customers'),
    publishers: number('publishers'),
    consumers: number('consumers'),
    ratePerS: number('rate') || Math.max(slowestRatePerS, Math.ceil(events / loadSeconds)),
    chaos,
    keep,
    external,
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        events: { type: 'string' },
        customers: { type: 'string' },
        publishers: { type: 'string' },
        consumers: { type: 'string' },
        rate: { type: 'string' },
        chaos: { type: 'boolean' },
        keep: { type: 'boolean' },
        external: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
