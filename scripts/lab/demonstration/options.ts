import { Program, whole } from '../../commands/program.ts';

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

type CommandLine = Omit<DemoOptions, 'ratePerS'> & { readonly rate?: number };

const loadSeconds = 20;
const slowestRatePerS = 5_000;

export function demoProgram(run: (options: DemoOptions) => number | Promise<number>): Program {
  return new Program('./scripts/demo')
    .description(
      'Brings up a broker, Redis, a simulated Stripe, sidecars and consumers, sends usage through them, and checks that Stripe was ' +
        'told exactly what was sent. Exits with 0 only if nothing was lost and nothing counted twice.',
    )
    .option('--events <N>', 'usage events to send', whole(1, 100_000_000), 100_000)
    .option('--customers <N>', 'customers that they belong to', whole(1, 1_000_000), 500)
    .option('--publishers <N>', 'sidecars', whole(1, 16), 2)
    .option('--consumers <N>', 'consumers', whole(1, 16), 2)
    .option(
      '--rate <N>',
      `events per second at most (default: a twentieth of the events, at least ${slowestRatePerS})`,
      whole(1, 1_000_000),
    )
    .option('--chaos', 'kill a consumer and a sidecar in mid-load, with SIGKILL', false)
    .option('--keep', 'leave everything running at the end, until Ctrl-C', false)
    .option(
      '--external',
      'use AMQP_URL, REDIS_URL and STRIPE_API_BASE (a simulator) of the environment, as far as they are set; without this they ' +
        'are never touched',
      false,
    )
    .examples('./scripts/demo --chaos', './scripts/demo --events 1000000 --consumers 3 --keep')
    .runs<CommandLine>(({ rate, ...options }) =>
      run({ ...options, ratePerS: rate ?? Math.max(slowestRatePerS, Math.ceil(options.events / loadSeconds)) }),
    );
}
