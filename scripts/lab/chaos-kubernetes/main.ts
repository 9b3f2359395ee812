import { KubeConfig } from '@kubernetes/client-node';
import { exitCodes, main, type Program } from '../../commands/program.ts';
import { causeChaos, ChaosRefused } from './chaos.ts';
import { ChaosCluster } from './cluster.ts';
import { chaosProgram, type CommandLine } from './options.ts';

const shownDifferences = 10;
const notExact = 1;

export function program(): Program {
  return chaosProgram(chaosOnKubernetes);
}

/** `./scripts/chaos --kubernetes`. Resolves with the exit status. */
async function chaosOnKubernetes(options: CommandLine): Promise<number> {
  try {
    const config = new KubeConfig();
    config.loadFromDefault();
    if (options.context !== undefined) config.setCurrentContext(options.context);
    const { compared, perMeter, differences } = await causeChaos(
      new ChaosCluster(config, options.namespace),
      options,
      (text) => console.log(text),
    );
    for (const { meter, events, owed, billed } of perMeter) {
      console.log(`  ${meter.padEnd(20)} ${events} events, owed ${owed}, billed ${billed}`);
    }
    for (const { customer, meter, kind, owed, billed } of differences.slice(0, shownDifferences)) {
      console.log(`  ${customer} ${meter} is ${kind}: owed ${owed}, billed ${billed}`);
    }
    const isExact = compared > 0 && differences.length === 0;
    console.log(
      isExact
        ? `Exact: ${compared} totals, 0 lost, 0 doubled (seed ${options.seed}).`
        : `NOT exact: ${differences.length} of ${compared} totals differ (seed ${options.seed}).`,
    );
    return isExact ? exitCodes.done : notExact;
  } catch (error) {
    if (error instanceof ChaosRefused) {
      console.error(error.message);
      return exitCodes.refused;
    }
    throw error;
  }
}

if (import.meta.main) await main(program());
