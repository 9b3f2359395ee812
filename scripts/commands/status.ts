import { exitCodes, onEither } from './backing.ts';
import { assess } from './status/assess.ts';
import { needsPerson } from './status/finding.ts';
import { look } from './status/look.ts';
import { report } from './status/report.ts';

/**
 * `npm run status`: what is well, what waits and goes on by itself, what is parked until a person decides, and what to do. It asks
 * broker and Redis, where consumers leave what they see, and changes nothing. Exits with 0 if nothing needs a person,
 * with 69 if broker or Redis does not answer, else with 1.
 */
async function status(args: readonly string[]): Promise<number> {
  const unknown = args.find((argument) => argument !== '--json');
  if (unknown !== undefined) {
    console.error(`npm run status takes --json, not ${JSON.stringify(unknown)}.`);
    return exitCodes.usage;
  }
  return onEither(process.env, async (place) => {
    const seen = await look(place);
    const findings = assess(seen, place.shards);
    const isNeeded = needsPerson(findings);
    console.log(
      args.includes('--json') ? JSON.stringify({ needsPerson: isNeeded, findings }) : report(place.namespace, findings),
    );
    if (Object.keys(seen.away).length > 0) return exitCodes.unavailable;
    return isNeeded ? exitCodes.refused : exitCodes.done;
  });
}

// What does not answer would keep the process alive.
process.exit(await status(process.argv.slice(2)));
