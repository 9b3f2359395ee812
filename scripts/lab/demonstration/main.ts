/** `./scripts/demo`. What it does stands in options.ts and in demonstration.ts (the run). */
import { once } from 'node:events';
import { openNursery, type Nursery } from '../../../shared/testing/nursery.ts';
import { main, type Program } from '../../commands/program.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { addresses } from './addresses.ts';
import { bringUp, demonstrate } from './demonstration.ts';
import { complaints } from './health.ts';
import { type DemoOptions, demoProgram } from './options.ts';
import { isBalanced, report } from './report.ts';
import { openScreen } from './screen.ts';

const exitCodes = { balanced: 0, failed: 1, interrupted: 130, terminated: 143 } as const;

export function program(): Program {
  return demoProgram(demo);
}

/** Runs to the end or to the first Ctrl-C. Either way nothing is left behind; the second Ctrl-C does not wait for that. */
async function demo(options: DemoOptions): Promise<number> {
  const cleanups: (() => Promise<void>)[] = [];
  const nursery = await openNursery();
  const interrupted = nextSignal();
  try {
    return await run(options, nursery, interrupted, cleanups);
  } finally {
    say('ending everything that was started ...');
    await nursery.close();
    for (const cleanup of cleanups)
      await cleanup().catch((error: unknown) => say(`could not clean up: ${String(error)}`));
  }
}

async function run(
  options: DemoOptions,
  nursery: Nursery,
  interrupted: Promise<number>,
  cleanups: (() => Promise<void>)[],
): Promise<number> {
  const screen = openScreen(process.stdout, options.events);
  let cluster: Cluster | undefined;
  async function toTheEnd(): Promise<number> {
    cluster = await bringUp(options, nursery, screen, (cleanup) => cleanups.push(cleanup));
    const outcome = await demonstrate(options, cluster, screen);
    say(report(outcome));
    return isBalanced(outcome) ? exitCodes.balanced : exitCodes.failed;
  }
  let ended: { readonly code: number; readonly early: boolean };
  try {
    ended = await Promise.race([
      toTheEnd().then((code) => ({ code, early: false })),
      interrupted.then((code) => ({ code, early: true })),
    ]);
  } catch (error) {
    screen.end();
    if (cluster !== undefined) say(await complaints(cluster));
    throw error;
  }
  screen.end();
  if (ended.early || cluster === undefined) return ended.code;
  if (ended.code !== exitCodes.balanced) say(await complaints(cluster));
  if (options.keep) {
    say(addresses(cluster, { folder: nursery.folder, external: options.external }));
    await interrupted;
  }
  return ended.code;
}

function nextSignal(): Promise<number> {
  return Promise.race([
    once(process, 'SIGINT').then(() => exitCodes.interrupted),
    once(process, 'SIGTERM').then(() => exitCodes.terminated),
  ]);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

if (import.meta.main) await main(program(), 'The demo failed');
