import { createCatalogStore } from '../../services/consumer/src/meters/stored-catalog.ts';
import { EntryBook, type EntryState } from '../../shared/journal/entry-book.ts';
import { queueState } from '../../shared/topology/broker-view.ts';
import { clusterKeyPrefix, deadExchange, membersKey } from '../../shared/topology/names.ts';
import { survey, type Survey } from '../../shared/topology/recovery.ts';
import type { ClusterPlace } from '../../shared/topology/verify.ts';

/** What broker and Redis hold at one moment, for `npm run status`. Nothing is changed by looking. */
export interface Look {
  readonly namespace: string;
  readonly found: Survey;
  /** Redis' clock, unix milliseconds. */
  readonly nowMs: number;
  /** Consumers whose heartbeat has not run out. */
  readonly members: number;
  /** Messages that could not be read. */
  readonly unreadable: number;
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

export async function look(place: ClusterPlace): Promise<Look> {
  const { channels, redis, namespace } = place;
  const found = await survey(place);
  const { stored, redisMs } = await createCatalogStore(redis, clusterKeyPrefix(namespace)).look();
  const dead = await queueState(channels, deadExchange(namespace));
  return {
    namespace,
    found,
    nowMs: redisMs,
    members: await redis.zcount(membersKey(namespace), redisMs, '+inf'),
    unreadable: dead?.ready ?? 0,
    metersReadAtMs: stored?.readAtMs,
    entries: await entriesByReason(new EntryBook(redis, namespace), [...found.journals.keys()]),
  };
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
