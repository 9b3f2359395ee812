import { parseArgs } from 'node:util';
import type { ChaosOptions } from './chaos.ts';

export const usage = `Usage: ./scripts/chaos --kubernetes [options]

In a cluster with k8s/overlays/development: sends load, deletes random consumer, publisher and broker pods (gracefully and with
grace 0), cordons nodes, scales up and down, and checks that the simulated Stripe holds exactly what was sent. Runs only in a
namespace with the label tallyman/chaos=allowed. Exit status: 0 only if nothing was lost and nothing counted twice.

  --namespace NAME   where Tallyman is                (tallyman)
  --context NAME     of the kubeconfig                (the current one)
  --faults N         what is done to the cluster      (30)
  --events N         usage events to send             (300000)
  --rate N           events per second                (1000)
  --seed N           the same seed, the same faults   (by chance, and printed)
  --help
`;

/** The arguments were not understood: `message` says which, in one sentence. */
export class UsageError extends Error {}

export interface CommandLine extends ChaosOptions {
  readonly context: string | undefined;
}

/** `help` when that is what was asked for. Throws a `UsageError`. */
export function parseOptions(args: readonly string[], chance: () => number = Math.random): CommandLine | 'help' {
  const values = read(args);
  if (values.help === true) return 'help';
  const number = (name: 'faults' | 'events' | 'rate' | 'seed', standard: number): number => {
    const text = values[name];
    if (text === undefined) return standard;
    if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
    throw new UsageError(`--${name} is ${JSON.stringify(text)}; it may be a whole number from 1 to 999999999.`);
  };
  return {
    namespace: values.namespace ?? 'tallyman',
    context: values.context,
    faults: number('faults', 30),
    events: number('events', 300_000),
    ratePerS: number('rate', 1_000),
    seed: number('seed', 1 + Math.floor(chance() * 999_999)),
  };
}

function read(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        namespace: text,
        context: text,
        faults: text,
        events: text,
        rate: text,
        seed: text,
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
