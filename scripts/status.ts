import { exitCodes, onBacking } from './backing.ts';
import { assess } from './status/assess.ts';
import { look } from './status/look.ts';
import { report } from './status/report.ts';

/**
 * `npm run status`: what is well, what waits and goes on by itself, what is parked until a person decides, and what to do. It asks
 * broker and Redis, changes nothing and sends nothing. Exits with 0 if nothing needs a person, else with 1.
 */
async function status(args: readonly string[]): Promise<number> {
  const unknown = args.find((argument) => argument !== '--json');
  if (unknown !== undefined) {
    console.error(`npm run status takes --json, not ${JSON.stringify(unknown)}.`);
    return exitCodes.usage;
  }
  return onBacking(process.env, async (place) => {
    const findings = assess(await look(place), place.shards);
    const needsPerson = findings.some(({ kind }) => kind === 'wrong' || kind === 'parked');
    console.log(
      args.includes('--json') ? JSON.stringify({ needsPerson, findings }) : report(place.namespace, findings),
    );
    return needsPerson ? exitCodes.refused : exitCodes.done;
  });
}

process.exitCode = await status(process.argv.slice(2));
