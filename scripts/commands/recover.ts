import { counted } from '../../shared/log/troubles.ts';
import type { ShardSummary } from '../../shared/journal/inspect.ts';
import { shardName, usageExchange } from '../../shared/topology/names.ts';
import { isHealthy, obstacles, renewIncarnation, survey, type Survey } from '../../shared/topology/recovery.ts';
import { exitCodes, onBacking } from './backing.ts';

/**
 * `npm run recover`: what a person runs after Redis lost data. Says what is known and what is not; makes a new incarnation
 * only with `--yes`, because that is a decision about money.
 */
async function recover(args: readonly string[]): Promise<number> {
  const unknown = args.find((argument) => argument !== '--yes');
  if (unknown !== undefined) {
    console.error(`npm run recover takes --yes, not ${JSON.stringify(unknown)}.`);
    return exitCodes.usage;
  }
  return onBacking(process.env, async (place) => {
    const { namespace, shards } = place;
    const found = await survey(place);
    if (isHealthy(found, shards) && !args.includes('--yes')) {
      console.log([known(found, namespace), healthy].join('\n\n'));
      return exitCodes.done;
    }
    console.log([known(found, namespace), unknowns(found), meaning].join('\n\n'));
    const faults = obstacles(found, namespace, shards);
    if (faults.length > 0) {
      console.error(`\n${faults.join('\n')}`);
      return exitCodes.refused;
    }
    if (!args.includes('--yes')) {
      console.error(
        '\nNothing was changed. To make a new incarnation, run: npm run recover -- --yes (consumers may keep running)',
      );
      return exitCodes.refused;
    }
    const { incarnation } = await renewIncarnation(place);
    console.log(`\nThe incarnation is ${incarnation} now. Consumers that stand still begin anew within seconds.`);
    return exitCodes.done;
  });
}

function known(found: Survey, namespace: string): string {
  const { exchange, topology, queues, journals } = found;
  const ready = [...queues.values()].reduce((sum, queue) => sum + queue.ready, 0);
  const consumers = [...queues.values()].reduce((sum, queue) => sum + queue.consumers, 0);
  const held =
    consumers === 0
      ? 'No consumer is attached, so that is all there is.'
      : `${counted(consumers, 'consumer')} attached to the queues; what they hold unacked comes on top and cannot be seen from here.`;
  const record =
    topology === 'missing'
      ? 'no topology and no incarnation'
      : `incarnation ${topology.incarnation} of ${new Date(topology.createdAtMs).toISOString()}, ${counted(topology.shards, 'shard')}`;
  return [
    'KNOWN',
    `Broker: ${exchange ? 'exchange' : 'no exchange'} ${usageExchange(namespace)}, ${counted(queues.size, 'shard queue')} with ${counted(ready, 'message')} ready. ${held}`,
    `Redis: ${record}; journals of ${counted(journals.size, 'shard')}.`,
    ...table(found),
  ].join('\n');
}

function table({ queues, journals }: Survey): string[] {
  const shards = [...new Set([...queues.keys(), ...journals.keys()])].sort((left, right) => left - right);
  if (shards.length === 0) return [];
  const rows = shards.map((shard) => {
    const queue = queues.get(shard);
    const journal = journals.get(shard);
    return [
      shardName(shard),
      queue?.ready ?? 'none',
      queue?.consumers ?? '-',
      ...(journal === undefined ? new Array<string>(7).fill('-') : journalCells(journal)),
    ].map(String);
  });
  const head = [
    'shard',
    'ready',
    'consumers',
    'epoch',
    'next set',
    'pending',
    'cursors',
    'deferred',
    'parked',
    'last write',
  ];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows].map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
}

function journalCells(journal: ShardSummary): (string | number)[] {
  const { epoch, next, pending, cursors, deferred, parked, writtenAtMs } = journal;
  const writtenAt = writtenAtMs === undefined ? 'never' : new Date(writtenAtMs).toISOString();
  return [epoch, next, pending ?? 'none', cursors, deferred, parked, writtenAt];
}

function unknowns({ journals }: Survey): string {
  const times = [...journals.values()].flatMap(({ writtenAtMs }) => writtenAtMs ?? []);
  const since =
    times.length === 0
      ? 'Redis has no record of any flush set: which usage was billed is not known from here.'
      : `The newest flush set that Redis still knows was written ${new Date(Math.max(...times)).toISOString()}. Whether there ` +
        'were later ones, and what they sent to the provider, is not known.';
  return [
    'NOT KNOWN',
    since,
    'Which of the messages that are in the queues belong to a set that was sent before Redis lost it: a message leaves its queue',
    'only after its set is settled, so some of them may be billed already. The logs of the consumers and the sums at the',
    'provider (Stripe: event summaries of the meter) tell more.',
  ].join('\n');
}

const healthy = `HEALTHY
Broker and Redis know the same cluster, and it is whole. There is nothing to recover, and nothing was changed.
Only if Redis was restored from a backup, which cannot tell what it has forgotten, run: npm run recover -- --yes`;

const meaning = `WHAT A NEW INCARNATION MEANS
Consumers go on. Nothing is lost: every message in the queues is counted and sent.
Under new identifiers: what was sent already, and is still in the queues, is billed a second time; the provider cannot see that.
Flush sets that are pending in Redis are sent under their old identifiers, which the provider recognises for 24 hours.
Event ids that Redis has forgotten are not recognised: a client that posts an old event again is counted again.`;

process.exitCode = await recover(process.argv.slice(2));
