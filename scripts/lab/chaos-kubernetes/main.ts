import { KubeConfig } from '@kubernetes/client-node';
import { exitCodes } from '../../commands/backing.ts';
import { causeChaos, ChaosRefused } from './chaos.ts';
import { ChaosCluster } from './cluster.ts';
import { parseOptions, usage, UsageError } from './options.ts';

const shownDifferences = 10;
const notExact = 1;

/** `./scripts/chaos --kubernetes`, with what stands behind it. Resolves with the exit status. */
export async function chaosOnKubernetes(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options === 'help') {
      console.log(usage);
      return exitCodes.done;
    }
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
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${usage}`);
      return exitCodes.usage;
    }
    if (error instanceof ChaosRefused) {
      console.error(error.message);
      return exitCodes.refused;
    }
    throw error;
  }
}

if (import.meta.main) process.exitCode = await chaosOnKubernetes(process.argv.slice(2));
