import { Option } from 'commander';
import { Program, whole } from '../../commands/program.ts';
import type { ChaosOptions } from './chaos.ts';

export interface CommandLine extends ChaosOptions {
  readonly context: string | undefined;
}

type Given = Omit<CommandLine, 'ratePerS' | 'seed'> & {
  readonly rate: number;
  readonly seed?: number;
  readonly kubernetes?: boolean;
};

export function chaosProgram(
  run: (options: CommandLine) => number | Promise<number>,
  chance: () => number = Math.random,
): Program {
  return new Program('./scripts/chaos --kubernetes')
    .description(
      'In a cluster with k8s/overlays/development: sends load, deletes random consumer, publisher and broker pods (gracefully and ' +
        'with grace 0), cordons nodes, scales up and down, and checks that the simulated Stripe holds exactly what was sent. Runs ' +
        'only in a namespace with the label tallyman/chaos=allowed. Exits with 0 only if nothing was lost and nothing counted twice.',
    )
    .addOption(new Option('--kubernetes').hideHelp())
    .option('--namespace <NAME>', 'where Tallyman is', 'tallyman')
    .option('--context <NAME>', 'of the kubeconfig (default: the current one)')
    .option('--faults <N>', 'what is done to the cluster', whole(1), 30)
    .option('--events <N>', 'usage events to send', whole(1), 300_000)
    .option('--rate <N>', 'events per second', whole(1), 1_000)
    .option('--seed <N>', 'the same seed, the same faults (default: by chance, and printed)', whole(1))
    .examples('./scripts/chaos --kubernetes --faults 10 --context kind-kind')
    .runs<Given>(({ namespace, context, faults, events, rate, seed = 1 + Math.floor(chance() * 999_999) }) =>
      run({ namespace, context, faults, events, ratePerS: rate, seed }),
    );
}
