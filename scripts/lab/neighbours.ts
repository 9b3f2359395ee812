/** `npm run neighbours`: connected accounts of which each has a fault, and everybody else, who must not notice. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { openNursery, type Nursery } from '../../shared/testing/nursery.ts';
import { openCluster, openPlace } from './bench/place.ts';
import { type NeighboursPlan, runNeighbours, verdictLine } from './neighbours/run.ts';

const usage = `npm run neighbours -- [--minutes N] [--rate N] [--flush-ms N] [--accounts N] [--consumers N]

Runs a cluster of real processes with 20 connected accounts, of which each has a fault: a locked lane, a list of meters that cannot be
read, customers answered 500, an account that is slow, revoked or silent … Posts usage of all of them, and says for each account how long
its other customers waited to be billed. Ends with 1 if one of them waited longer than two flush intervals. Takes the minutes given,
and up to two flush intervals more.

  --minutes N     how long usage is posted (3)
  --rate N        events per second, of all accounts (1000)
  --flush-ms N    TALLYMAN_FLUSH_INTERVAL_MS (60000)
  --accounts N    connected accounts, 10 of them with a fault (20)
  --consumers N   consumers (2)
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    rate: { type: 'string', default: '1000' },
    'flush-ms': { type: 'string', default: '60000' },
    accounts: { type: 'string', default: '20' },
    consumers: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
});
const plan: NeighboursPlan & { readonly consumers: number } = {
  minutes: Number(values.minutes),
  ratePerS: Number(values.rate),
  flushIntervalMs: Number(values['flush-ms']),
  accounts: Number(values.accounts),
  consumers: Number(values.consumers),
};
const isUsable = Object.values(plan).every((value) => Number.isFinite(value) && value > 0) && plan.accounts >= 10;
if (values.help || !isUsable) {
  process.stdout.write(usage);
  process.exit(values.help ? 0 : 64);
}

const nursery = await openNursery();
try {
  process.exitCode = await Promise.race([main(nursery), once(process, 'SIGINT').then(() => 130)]);
} finally {
  await nursery.close();
}

async function main(nursery: Nursery): Promise<number> {
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
