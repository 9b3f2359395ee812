import { counted } from '../../../shared/log/troubles.ts';
import { isHealthy, obstacles } from '../../../shared/topology/recovery.ts';
import { deadExchange, shardQueue, usageExchange } from '../../../shared/topology/names.ts';
import { lostByRedis } from '../../../shared/topology/verify.ts';
import { isHeldKnown, ofHeld, ofRemarks, ofSilentConsumers } from './assess-consumers.ts';
import { ofEntries } from './assess-entries.ts';
import { ofRedis } from './assess-redis.ts';
import type { Finding } from './finding.ts';
import type { Look } from './look.ts';
import { duration } from './words.ts';

/** Older than this, the list of meters was due for a while: consumers read it every quarter of an hour. */
const metersOldMs = 30 * 60_000;
/** A set that was committed longer ago is held up by more than the provider's rate. */
const setOldMs = 15 * 60_000;

export function assess(look: Look, shards: number): Finding[] {
  const { broker, redis } = look.away;
  return [
    ...ofAway(look),
    ...(broker === undefined && redis === undefined ? ofTopology(look, shards) : []),
    ...(redis === undefined ? [...ofRedis(look), ...ofMembers(look), ...ofRemarks(look)] : []),
    ...ofSilentConsumers(look),
    ...(broker === undefined ? [...ofAlarm(look), ...ofQueues(look)] : []),
    ...ofHeld(look),
    ...(redis === undefined ? [...ofSets(look), ...ofMeters(look), ...ofEntries(look)] : []),
    ...ofUnreadable(look),
  ];
}

/** One that does not answer says nothing of the other. */
function ofAway({ away }: Look): Finding[] {
  return [away.broker, away.redis].flatMap((text): Finding[] => (text === undefined ? [] : [{ kind: 'wrong', text }]));
}

function ofTopology({ found, namespace }: Look, shards: number): Finding[] {
  const { exchange, topology } = found;
  if (isHealthy(found, shards) && topology !== 'missing') {
    const since = new Date(topology.createdAtMs).toISOString();
    return [
      {
        kind: 'well',
        text: `Broker and Redis know the same cluster: ${counted(topology.shards, 'shard')}, incarnation of ${since}.`,
      },
    ];
  }
  if (!exchange && topology === 'missing') {
    return [
      { kind: 'wrong', text: `Nothing is declared for the namespace ${namespace}.`, advice: 'tallyman topology' },
    ];
  }
  if (!exchange) {
    const text = `Redis knows this cluster, but the broker has no exchange ${usageExchange(namespace)}: the broker lost its data, or AMQP_URL names another one.`;
    return [{ kind: 'wrong', text, advice: 'Check AMQP_URL, then tallyman topology' }];
  }
  if (topology === 'missing') {
    return [{ kind: 'wrong', text: lostByRedis(usageExchange(namespace)), advice: 'tallyman recover' }];
  }
  const { resharding } = topology;
  if (resharding !== undefined) {
    const text = `The cluster is being given ${counted(resharding.to, 'shard')}; usage waits in the publishers' spools.`;
    return [{ kind: 'wrong', text, advice: `tallyman topology --reshard ${resharding.to} goes on where it was` }];
  }
  const faults = obstacles(found, namespace, shards);
  if (faults.length > 0) return faults.map((text) => ({ kind: 'wrong', text }));
  const missing = Array.from({ length: shards }, (_, shard) => shard).filter((shard) => !found.queues.has(shard));
  const text =
    missing.length === 0
      ? 'The cluster was not declared to its end: usage for a part of it may wait in the publishers.'
      : `The broker lacks ${queues(namespace, missing)}: usage for ${missing.length === 1 ? 'it' : 'them'} waits in the publishers; what was in a deleted queue is gone.`;
  return [{ kind: 'wrong', text, advice: 'tallyman topology' }];
}

const queuesShown = 5;

function queues(namespace: string, shards: readonly number[]): string {
  const names = shards.slice(0, queuesShown).map((shard) => shardQueue(namespace, shard));
  const more = shards.length - names.length;
  return `the queue${shards.length === 1 ? '' : 's'} ${names.join(', ')}${more > 0 ? ` and ${counted(more, 'other')}` : ''}`;
}

function ofMembers({ found, members }: Look): Finding[] {
  if (found.topology === 'missing') return [];
  const { shards } = found.topology;
  const owned = [...found.journals.values()].filter(({ shard, owner }) => shard < shards && owner !== undefined).length;
  if (members.length === 0) {
    const text = 'No consumer is a member of the cluster: nothing is counted. Usage waits in the broker, none is lost.';
    return [
      {
        kind: 'wrong',
        text,
        advice: 'Start consumers; if they run, their /readyz and their log say why they do not join',
      },
    ];
  }
  const text = `${counted(members.length, 'consumer')}; ${owned} of ${counted(shards, 'shard')} owned.`;
  return [
    owned < shards
      ? { kind: 'waiting', text: `${text} The others are on their way to an owner.` }
      : { kind: 'well', text },
  ];
}

function ofAlarm({ alarm }: Look): Finding[] {
  // Who may not publish goes by the remarks of consumers.
  if (alarm === 'none' || alarm === 'refused') return [];
  if (alarm === 'silent') {
    const text = 'Whether the broker takes messages is not known: it has not confirmed one within 2 s.';
    return [{ kind: 'unknown', text, advice: "Look at the broker's log, its memory and its disk" }];
  }
  const text = `The broker has an alarm and takes no new messages (${alarm.said}): usage waits in the spools of publishers, and what has no room there is answered 503.`;
  return [{ kind: 'wrong', text, advice: "Look at the broker's memory and disk; usage follows by itself afterwards" }];
}

function ofQueues(look: Look): Finding[] {
  const { found } = look;
  const waiting = [...found.queues.values()].filter(({ ready }) => ready > 0);
  const ready = waiting.reduce((sum, queue) => sum + queue.ready, 0);
  if (ready === 0) {
    if (found.queues.size === 0) return [];
    const isEmpty = isHeldKnown(look) && ofHeld(look).length === 0;
    return [{ kind: 'well', text: isEmpty ? 'The queues are empty.' : 'No message waits for a consumer to take it.' }];
  }
  return [
    {
      kind: 'waiting',
      text: `${counted(ready, 'message')} in ${counted(waiting.length, 'queue')} for a consumer to take.`,
    },
  ];
}

function ofSets({ found, nowMs }: Look): Finding[] {
  const pending = [...found.journals.values()].filter((journal) => journal.pending !== undefined);
  if (pending.length === 0) return [];
  const oldestMs = Math.max(...pending.map(({ writtenAtMs = nowMs }) => nowMs - writtenAtMs));
  const text = `${counted(pending.length, 'flush set')} on the way to Stripe, the oldest committed ${duration(oldestMs)} ago.`;
  if (oldestMs < setOldMs) return [{ kind: 'waiting', text }];
  return [
    {
      kind: 'wrong',
      text,
      advice:
        'Its shard counts on, and bills nothing newer. The log and /readyz of its consumer say what Stripe answers',
    },
  ];
}

function ofMeters({ metersReadAtMs, nowMs, members }: Look): Finding[] {
  if (metersReadAtMs === undefined) {
    if (members.length === 0) return [];
    const text = 'The meters were never read from Stripe: nothing is counted before they are.';
    return [{ kind: 'wrong', text, advice: 'Check STRIPE_API_KEY and STRIPE_API_BASE of the consumers' }];
  }
  const text = `Stripe's meters were read ${duration(nowMs - metersReadAtMs)} ago.`;
  if (nowMs - metersReadAtMs < metersOldMs || members.length === 0) return [{ kind: 'well', text }];
  return [
    { kind: 'wrong', text, advice: 'They are due every 15 minutes: check STRIPE_API_KEY, and whether Stripe answers' },
  ];
}

function ofUnreadable({ unreadable, namespace }: Look): Finding[] {
  if (unreadable === 0) return [];
  const text = `${counted(unreadable, 'message')} that could not be read, in the queue ${deadExchange(namespace)}.`;
  return [
    {
      kind: 'parked',
      text,
      advice:
        'The header x-tallyman-reason of each says why. Mend its publisher; remove it once its usage was sent again',
    },
  ];
}
