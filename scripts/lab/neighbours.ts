/** `npm run neighbours`: connected accounts of which each has a fault, and everybody else, who must not notice. */
import { once } from 'node:events';
import { main, positive, Program, whole } from '../commands/program.ts';
import { openNursery, type Nursery } from '../../shared/testing/nursery.ts';
import { openCluster, openPlace } from './bench/place.ts';
import { type NeighboursPlan, runNeighbours, verdictLine } from './neighbours/run.ts';

interface CommandLine {
  readonly minutes: number;
  readonly rate: number;
  readonly flushMs: number;
  readonly accounts: number;
  readonly consumers: number;
}

export function program(): Program {
  return new Program('npm run neighbours --')
    .description(
      'Runs a cluster of real processes with connected accounts, of which ten have a fault each: a locked lane, a list of meters that ' +
        'cannot be read, customers answered 500, an account that is slow, revoked or silent … Posts usage of all of them, and says ' +
        'for each account how long its other customers waited to be billed. Exits with 1 if one of them waited longer than two ' +
        'flush intervals. Takes the minutes given, and up to two flush intervals more.',
    )
    .option('--minutes <N>', 'how long usage is posted', positive, 3)
    .option('--rate <N>', 'events per second, of all accounts', whole(1), 1_000)
    .option('--flush-ms <N>', 'TALLYMAN_FLUSH_INTERVAL_MS', whole(1), 60_000)
    .option('--accounts <N>', 'connected accounts, 10 of them with a fault', whole(10), 20)
    .option('--consumers <N>', 'consumers', whole(1), 2)
    .examples('npm run neighbours -- --minutes 30 --rate 5000')
    .runs<CommandLine>(({ minutes, rate: ratePerS, flushMs: flushIntervalMs, accounts, consumers }) =>
      neighbours({ minutes, ratePerS, flushIntervalMs, accounts, consumers }),
    );
}

type Plan = NeighboursPlan & { readonly consumers: number };

async function neighbours(plan: Plan): Promise<number> {
  const nursery = await openNursery();
  try {
    return await Promise.race([run(nursery, plan), once(process, 'SIGINT').then(() => 130)]);
  } finally {
    await nursery.close();
  }
}

async function run(nursery: Nursery, plan: Plan): Promise<number> {
  const place = await openPlace(nursery);
  const cluster = await openCluster(
    place,
    { publishers: 2, consumers: plan.consumers, profile: undefined },
    { consumer: { TALLYMAN_FLUSH_INTERVAL_MS: String(plan.flushIntervalMs) } },
  );
  const verdicts = await runNeighbours(cluster, plan, say);
  for (const verdict of verdicts) say(verdictLine(verdict));
  const late = verdicts.filter(({ isWell }) => !isWell).length;
  say(
    late === 0
      ? 'Nobody waited for a neighbour.'
      : `Accounts with customers that waited for others, or were not billed: ${late}.`,
  );
  return late === 0 ? 0 : 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main) await main(program());
