import { onEither } from '../backing.ts';
import { exitCodes } from '../program.ts';
import { assess } from './assess.ts';
import { needsPerson } from './finding.ts';
import { look } from './look.ts';
import { report } from './report.ts';

export function status(json: boolean): Promise<number> {
  return onEither(process.env, async (place) => {
    const seen = await look(place);
    const findings = assess(seen, place.shards);
    const isNeeded = needsPerson(findings);
    console.log(json ? JSON.stringify({ needsPerson: isNeeded, findings }) : report(place.namespace, findings));
    if (Object.keys(seen.away).length > 0) return exitCodes.unavailable;
    return isNeeded ? exitCodes.refused : exitCodes.done;
  });
}
