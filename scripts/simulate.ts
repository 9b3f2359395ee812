import { parseArgs } from 'node:util';
import { type RunResult, runSeed } from './simulate/run.ts';
import { Summary } from './simulate/summary.ts';

/**
 * Runs whole clusters of the real cores on models of the broker, the journal and the provider, under faults drawn from
 * a seed, and audits what was billed.
 *
 *   npm run simulate -- --seeds 2000            seeds 1 to 2000
 *   npm run simulate -- --seeds 2000 --from 500 another start
 *   npm run simulate -- --seed 49               one seed again, with all that happened in it
 *
 * Exits with 1 at the first violation, and then prints the end of its trace.
 */
const traceLinesShown = 120;

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '2000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
    },
  });
  if (values.seed !== undefined) return replay(whole('seed', values.seed));
  return runMany(whole('from', values.from), whole('seeds', values.seeds));
}

function replay(seed: number): number {
  const result = runSeed(seed, { trace: true });
  console.log(result.trace.join('\n'));
  const { name, shards, consumers, publishers, leaseMs } = result.profile;
  console.log(
    `Seed ${seed}: profile ${name}, ${shards} shards, ${consumers} consumers and ${publishers} publishers at first, lease ${leaseMs} ms.`,
  );
  if (result.violations.length === 0) console.log('Nothing was violated.');
  else printViolations(result);
  return result.violations.length === 0 ? 0 : 1;
}

function runMany(from: number, seeds: number): number {
  const summary = new Summary();
  const startedAtMs = performance.now();
  for (let seed = from; seed < from + seeds; seed++) {
    const result = runSeed(seed, { trace: false });
    summary.add(result);
    if (result.violations.length === 0) continue;
    const { trace } = runSeed(seed, { trace: true });
    console.log(trace.slice(-traceLinesShown).join('\n'));
    printViolations(result);
    console.log(`The whole trace: npm run simulate -- --seed ${seed}`);
    return 1;
  }
  console.log(summary.text(performance.now() - startedAtMs));
  return 0;
}

function printViolations({ seed, profile, violations }: RunResult): void {
  for (const violation of violations) console.log(`VIOLATED by seed ${seed} (profile ${profile.name}): ${violation}`);
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`--${name} is ${JSON.stringify(text)}; it may be a whole number up to 999999999.`);
  process.exit(64);
}

process.exitCode = main();
