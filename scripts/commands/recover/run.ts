import { counted } from '../../../shared/log/troubles.ts';
import type { ShardSummary } from '../../../shared/journal/inspect.ts';
import { shardName, usageExchange } from '../../../shared/topology/names.ts';
import { isHealthy, obstacles, renewIncarnation, survey, type Survey } from '../../../shared/topology/recovery.ts';
import { onBacking } from '../backing.ts';
import { exitCodes } from '../program.ts';
import type { RecoverOptions } from '../recover.ts';
import { right, tableOf } from '../table.ts';
import { plainTopology } from '../topology/report.ts';

/** Makes a new incarnation only with `--yes`, because that is a decision about money. */
export function recover({ yes = false, json = false }: RecoverOptions): Promise<number> {
  return onBacking(process.env, async (place) => {
    const { namespace, shards } = place;
    const found = await survey(place);
    const healthy = isHealthy(found, shards);
    const faults = obstacles(found, namespace, shards);
    if (json) console.log(JSON.stringify({ healthy, obstacles: faults, ...plain(found) }));
    else if (healthy && !yes) console.log([known(found, namespace), healthyText].join('\n\n'));
    else console.log([known(found, namespace), unknowns(found), meaning].join('\n\n'));
    if (healthy && !yes) return exitCodes.done;
    if (faults.length > 0) {
      console.error(`\n${faults.join('\n')}`);
      return exitCodes.refused;
    }
    if (!yes) {
      console.error(
        '\nNothing was changed. To make a new incarnation, run: tallyman recover --yes (consumers may keep running)',
      );
      return exitCodes.refused;
    }
    const { incarnation } = await renewIncarnation(place);
    console.log(
      json
        ? JSON.stringify({ incarnation })
        : `\nThe incarnation is ${incarnation} now. Consumers that stand still begin anew within seconds.`,
    );
    return exitCodes.done;
  });
}

/** For programs. */
function plain({ exchange, topology, queues, journals }: Survey): object {
  return {
    exchange,
    topology: topology === 'missing' ? null : plainTopology(topology),
    queues: [...queues].map(([shard, queue]) => ({ shard, ...queue })),
    journals: [...journals.values()],
  };
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
    const cells = journal === undefined ? journalColumns.map(() => '-') : journalCells(journal);
    return [shardName(shard), queue?.ready ?? 'none', queue?.consumers ?? '-', ...cells];
  });
  return [tableOf(['shard', 'ready', 'consumers', ...journalColumns].map(right), rows)];
}

const journalColumns = ['epoch', 'next set', 'pending', 'cursors', 'deferred', 'parked', 'last write'];

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

const healthyText = `HEALTHY
Broker and Redis know the same cluster, and it is whole. There is nothing to recover, and nothing was changed.
Only if Redis was restored from a backup, which cannot tell what it has forgotten, run: tallyman recover --yes`;

const meaning = `WHAT A NEW INCARNATION MEANS
Consumers go on. Nothing is lost: every message in the queues is counted and sent.
Under new identifiers: what was sent already, and is still in the queues, is billed a second time; the provider cannot see that.
Flush sets that are pending in Redis are sent under their old identifiers, which the provider recognises for 24 hours.
Event ids that Redis has forgotten are not recognised: a client that posts an old event again is counted again.`;
