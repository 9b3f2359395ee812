/**
 * Given to a service with `node --import`: its durable steps become points at which it can be held.
 *
 * A point is armed by a file of its name, which holds the number of the time at which it acts, in the folder that the environment
 * names. Then the process renames the file (`.reached`) and stops itself: SIGSTOP, in the middle of the step. What happens next is
 * the runner's: it may kill this process, the broker or Redis, cut a connection, or only let time pass, and let it go on.
 */
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { applyPatches } from '../../patch/patch.ts';
import { pointPatches } from './points.ts';

const folder = process.env['FAILPOINT_FOLDER'];
if (folder === undefined)
  throw new Error('FAILPOINT_FOLDER names no folder: a process without one needs no failpoints');

const times = new Map<string, number>();

function failpoint(name: string): undefined {
  const armed = join(folder ?? '', name);
  if (!existsSync(armed)) return;
  const time = (times.get(name) ?? 0) + 1;
  times.set(name, time);
  if (time < Number(readFileSync(armed, 'utf8'))) return;
  times.delete(name);
  renameSync(armed, `${armed}.reached`);
  process.kill(process.pid, 'SIGSTOP');
}

Object.assign(globalThis, { failpoint });
applyPatches(pointPatches);
