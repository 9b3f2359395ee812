import { Counter } from 'prom-client';
import { gaugeMaker, type Registry } from '../../../shared/metrics/metrics.ts';
import { addTotals, oldestAttemptMs, oldestHeldMs, type ShardTotals } from './ownership/stats.ts';
import type { ShardRunner } from './shard/runner.ts';

/** What the metrics are read from, at the moment when they are asked for. */
export interface ConsumerView {
  readonly runners: () => Iterable<ShardRunner>;
  /** Totals of shards that were given back or lost. */
  readonly past: () => ShardTotals;
  readonly members: () => number;
  readonly halted: () => boolean;
  /** Accounts whose meters cannot be read now; the platform's own account is one of them. */
  readonly meterListsUnread: () => number;
  readonly windowMs: () => number;
  readonly capacityRatio: () => number;
  readonly deadLettersWaiting: () => number;
  readonly brokerBlocked: () => boolean;
  readonly redisRefuses: () => boolean;
  /** It may lose what it has acknowledged, or evict it. */
  readonly redisUnsafe: () => boolean;
  readonly journalsUnreadable: () => number;
}

/** The consumer's metrics are computed when they are scraped: nothing is counted twice, and the hot path is left alone. */
export function registerConsumerMetrics(registry: Registry, view: ConsumerView): void {
  const registers = [registry];
  const totals = (): ShardTotals => {
    const sum = { ...view.past() };
    for (const runner of view.runners()) addTotals(sum, runner);
    return sum;
  };
  const total = (read: (runner: ShardRunner) => number): number => {
    let sum = 0;
    for (const runner of view.runners()) sum += read(runner);
    return sum;
  };
  const counter = (name: string, help: string, read: (totals: ShardTotals) => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(totals()));
      },
    });
  };
  const gauge = gaugeMaker(registry);
  new Counter({
    name: 'tallyman_consumer_entries_total',
    help: 'Entries that settled, by how: accepted by the provider, dead, in doubt or deferred',
    labelNames: ['state'],
    registers,
    collect() {
      const { accepted, dead, inDoubt, deferred } = totals();
      this.reset();
      this.inc({ state: 'accepted' }, accepted);
      this.inc({ state: 'dead' }, dead);
      this.inc({ state: 'in_doubt' }, inDoubt);
      this.inc({ state: 'deferred' }, deferred);
    },
  });
  counter('tallyman_consumer_events_total', 'Events counted', ({ events }) => events);
  counter(
    'tallyman_consumer_events_billed_total',
    'Events in the entries that the provider accepted',
    ({ billedEvents }) => billedEvents,
  );
  counter(
    'tallyman_consumer_duplicate_events_total',
    'Events left out because their id was remembered',
    ({ duplicates }) => duplicates,
  );
  counter(
    'tallyman_consumer_unreadable_messages_total',
    'Messages moved to the dead-letter queue',
    ({ unreadable }) => unreadable,
  );
  counter(
    'tallyman_consumer_journal_unanswered_total',
    'Journal writes without an answer, repeated as they were',
    ({ unansweredWrites }) => unansweredWrites,
  );
  counter(
    'tallyman_consumer_dedup_ids_forgotten_early_total',
    'Event ids forgotten before the dedup window was over, because the table was full',
    ({ idsForgottenEarly }) => idsForgottenEarly,
  );
  gauge('tallyman_consumer_dedup_ids', 'Event ids remembered', () => total(({ core }) => core.memory.ids.size));
  gauge('tallyman_consumer_dedup_bytes', 'Memory of the remembered event ids', () =>
    total(({ core }) => core.memory.ids.bytes),
  );
  gauge('tallyman_consumer_messages_held', 'Messages delivered and not acked yet', () =>
    total(({ core }) => core.held),
  );
  gauge('tallyman_consumer_events_open', 'Events counted and not sealed yet', () =>
    total(({ core }) => core.memory.open.events),
  );
  gauge('tallyman_consumer_entries_pending', 'Entries of sealed sets that have not settled', () =>
    total(({ core }) => core.flight.drive.unsettled),
  );
  gauge('tallyman_consumer_entries_deferred', 'Entries that the journal keeps for a later attempt', () =>
    total(({ core }) => core.flight.drive.deferred.size),
  );
  gauge(
    'tallyman_consumer_oldest_held_seconds',
    'How long the oldest unsealed message has been held',
    () => oldestHeldMs(view.runners(), performance.now()) / 1_000,
  );
  gauge(
    'tallyman_consumer_oldest_attempt_seconds',
    'Age of the oldest attempt whose outcome is not known',
    () => oldestAttemptMs(view.runners(), performance.now()) / 1_000,
  );
  gauge(
    'tallyman_capacity_ratio',
    'Calls that the present keys take per window over those the provider allows: above 1 the backlog grows',
    view.capacityRatio,
  );
  gauge(
    'tallyman_consumer_window_seconds',
    'Length of event-time windows now: longer than configured while demand is near the budget',
    () => view.windowMs() / 1_000,
  );
  gauge(
    'tallyman_consumer_dead_letters_waiting',
    'Unreadable messages that are not in the dead-letter queue yet: what comes after them in their shards is not acked',
    view.deadLettersWaiting,
  );
  gauge(
    'tallyman_consumer_broker_blocked',
    '1 while the broker has an alarm and takes no dead letters; known once one was published',
    () => (view.brokerBlocked() ? 1 : 0),
  );
  gauge(
    'tallyman_consumer_redis_refuses',
    '1 while Redis answers writes with an error: nothing is sealed or billed',
    () => (view.redisRefuses() ? 1 : 0),
  );
  gauge(
    'tallyman_consumer_redis_unsafe',
    '1 while Redis may lose in a crash what it has acknowledged, or evict it: usage could be billed twice',
    () => (view.redisUnsafe() ? 1 : 0),
  );
  gauge(
    'tallyman_consumer_journals_unreadable',
    'Journals of its shards that are in a format which this version does not read: their usage is not billed',
    view.journalsUnreadable,
  );
  gauge('tallyman_consumer_shards_owned', 'Shards that this consumer owns', () => total(() => 1));
  gauge('tallyman_consumer_members', 'Members of the cluster, as this one sees it', view.members);
  gauge(
    'tallyman_consumer_meter_lists_unreadable',
    "Accounts whose list of meters cannot be read now; the platform's own account is one of them",
    view.meterListsUnread,
  );
  gauge(
    'tallyman_consumer_halted',
    '1 while everything stands still because Redis lost writes and a person has to look',
    () => (view.halted() ? 1 : 0),
  );
}
