import { createCatalogStore } from '../../../services/consumer/src/meters/stored-catalog.ts';
import type { ChannelModel } from 'amqplib';
import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { createViewStore, type ConsumerView } from '../../../services/consumer/src/view/stored-view.ts';
import { brokerFault } from '../../../shared/amqp/broker-fault.ts';
import { EntryBook } from '../../../shared/journal/entry-book.ts';
import type { EntryState } from '../../../shared/journal/entry-states.ts';
import { queueState, type QueueState } from '../../../shared/topology/broker-view.ts';
import { clusterKeyPrefix, deadExchange, membersKey } from '../../../shared/topology/names.ts';
import { type Survey, surveyBroker, surveyRedis } from '../../../shared/topology/recovery.ts';
import { redisFault } from '../../../shared/redis/redis-fault.ts';
import { type BrokerAlarm, brokerAlarm } from './broker-alarm.ts';
import { type RedisInfo, redisInfo } from './redis-info.ts';

/** What broker and Redis hold at one moment, for `tallyman status`. Nothing is changed by looking. */
export interface Look {
  readonly namespace: string;
  readonly found: Survey;
  /** Redis' clock, unix milliseconds. */
  readonly nowMs: number;
  /** Consumers whose heartbeat has not run out. */
  readonly members: readonly string[];
  /** What consumers said of themselves lately. */
  readonly views: readonly ConsumerView[];
  /** Undefined where Redis does not tell. */
  readonly redisInfo: RedisInfo | undefined;
  /** Why one of them gave no answer; what it alone knows is empty then. */
  readonly away: { readonly broker?: string; readonly redis?: string };
  /** Messages that could not be read. */
  readonly unreadable: number;
  readonly alarm: BrokerAlarm;
  /** When the meters were read from the provider last; undefined: never. */
  readonly metersReadAtMs: number | undefined;
  readonly entries: readonly EntriesOfReason[];
}

/** Entries that were not accepted, by what is the matter with them. */
export interface EntriesOfReason {
  readonly state: EntryState;
  /** Its code alone, such as `no_meter`. */
  readonly reason: string;
  readonly entries: number;
  readonly events: number;
}

const openStates: ReadonlySet<EntryState> = new Set(['dead', 'in_doubt', 'deferred', 'waiting']);

/** What can be asked: one that cannot is a sentence that says why. */
export interface Reachable {
  readonly channels: ChannelModel | string;
  readonly redis: Redis | string;
  readonly namespace: string;
}

/** A command of Redis has a deadline of its own, and the broker is asked little. */
const brokerDeadlineMs = 4_000;

/** Whichever gives no answer, the other one is looked at. */
export async function look({ channels, redis, namespace }: Reachable): Promise<Look> {
  const [broker, journal] = await Promise.all([
    typeof channels === 'string' ? channels : answered('The broker', lookAtBroker(channels, namespace)),
    typeof redis === 'string' ? redis : answered('Redis', lookAtRedis(redis, namespace)),
  ]);
  const { exchange, queues, unreadable, alarm } = typeof broker === 'string' ? unansweredBroker : broker;
  const { topology, journals, ...known } = typeof journal === 'string' ? unansweredRedis : journal;
  return {
    namespace,
    found: { exchange, topology, queues, journals },
    ...known,
    unreadable,
    alarm,
    away: {
      ...(typeof broker === 'string' ? { broker } : {}),
      ...(typeof journal === 'string' ? { redis: journal } : {}),
    },
  };
}

const unansweredBroker: Awaited<ReturnType<typeof lookAtBroker>> = {
  exchange: false,
  queues: new Map<number, QueueState>(),
  unreadable: 0,
  alarm: 'silent',
};
const unansweredRedis: Awaited<ReturnType<typeof lookAtRedis>> = {
  topology: 'missing',
  journals: new Map(),
  nowMs: 0,
  members: [],
  views: [],
  redisInfo: undefined,
  metersReadAtMs: undefined,
  entries: [],
};

async function lookAtBroker(connection: ChannelModel, namespace: string) {
  const dead = deadExchange(namespace);
  const known = surveyBroker(connection, namespace).then(async ({ exchange, queues }) => {
    return { exchange, queues, unreadable: (await queueState(connection, dead))?.ready ?? 0 };
  });
  const seen = await withinMs(brokerDeadlineMs, known);
  // The last question: a broker with an alarm answers nothing more.
  return { ...seen, alarm: await brokerAlarm(connection) };
}

async function lookAtRedis(redis: Redis, namespace: string) {
  const info = await redisInfo(redis);
  const { topology, journals } = await surveyRedis(redis, namespace);
  const { stored, redisMs } = await createCatalogStore(redis, clusterKeyPrefix(namespace)).look();
  const scored = await redis.zrange(membersKey(namespace), '0', '-1', 'WITHSCORES');
  const members = scored.filter((_, at) => at % 2 === 0 && Number(scored[at + 1]) >= redisMs);
  return {
    topology,
    journals,
    nowMs: redisMs,
    members,
    views: await createViewStore(redis, namespace).read(redisMs),
    redisInfo: info,
    metersReadAtMs: stored?.readAtMs,
    entries: await entriesByReason(new EntryBook(redis, namespace), [...journals.keys()]),
  };
}

/** What went wrong instead of an answer, as a sentence. */
async function answered<Answer>(what: string, asked: Promise<Answer>): Promise<Answer | string> {
  try {
    return await asked;
  } catch (error) {
    const { words } = what === 'Redis' ? redisFault(error) : brokerFault(error);
    return `${what} was reached, and then gave no answer: ${words}`;
  }
}

function withinMs<Answer>(ms: number, asked: Promise<Answer>): Promise<Answer> {
  return Promise.race([
    asked,
    sleep(ms, undefined, { ref: false }).then(() => {
      throw new Error(`no answer within ${ms / 1_000} s`);
    }),
  ]);
}

async function entriesByReason(book: EntryBook, shards: readonly number[]): Promise<EntriesOfReason[]> {
  const counts = new Map<string, EntriesOfReason>();
  for (const shard of shards) {
    for await (const { state, record } of book.list(shard, openStates)) {
      const [reason = ''] = record.reason.split(':', 1);
      const key = `${state} ${reason}`;
      const { entries, events } = counts.get(key) ?? { entries: 0, events: 0 };
      counts.set(key, { state, reason, entries: entries + 1, events: events + record.entry.events });
    }
  }
  return [...counts.values()].sort((left, right) => right.entries - left.entries);
}
