import type { Client } from './client.ts';
import type { Cluster } from './cluster.ts';
import type { Epilogue } from './epilogue.ts';
import type { World } from './models/world.ts';

/** As many deferred entries as no run has. */
const roomForAll = 1_000;

/** However slowly: after so many times the profile's time it is no settling any more. */
const slowestSettling = 5;

/**
 * The end of a run: once the faults are over, everything has to settle within the profile's time, counted anew with every message
 * less on the broker, since a small prefetch takes a long backlog slowly; then comes the audit. While lists of meters stay
 * unreadable, everything but deferred entries has to settle in spite of them; then they can be read, and the rest has to. Settled
 * means: nothing on the broker, no set pending, no entry deferred, every shard owned and the shards spread evenly.
 */
export class Settlement {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #client: Client;
  readonly #epilogue: Epilogue;
  #sinceMs: number;
  /** When the broker last held fewer messages than ever since then, and how many. */
  #movedMs = 0;
  #least = Number.POSITIVE_INFINITY;
  #isOver = false;

  constructor(world: World, cluster: Cluster, client: Client, epilogue: Epilogue) {
    this.#world = world;
    this.#cluster = cluster;
    this.#client = client;
    this.#epilogue = epilogue;
    this.#sinceMs = world.profile.activeMs;
    world.timeline.at(world.profile.activeMs, () => {
      // Beyond its room what waits for a list holds its shard up, as entries of closed accounts do.
      if (world.profile.drive.closedMax < roomForAll) cluster.provider.list();
      this.#look();
    });
  }

  #look(): void {
    const { timeline, profile, checker, tally } = this.#world;
    const unsettled = this.#unsettled();
    const overdueMs = timeline.nowMs - this.#sinceMs;
    this.#noteMoves();
    const isMoving = timeline.nowMs - Math.max(this.#sinceMs, this.#movedMs) < profile.settleMs;
    if (unsettled.length > 0 && isMoving && overdueMs < slowestSettling * profile.settleMs) {
      timeline.after(profile.leaseMs / 8, () => this.#look());
      return;
    }
    if (unsettled.length > 0) {
      checker.violation(
        `${Math.round(overdueMs)} ms after the last trouble this is not settled: ${unsettled.join(', ')}.`,
      );
    } else {
      tally.add('virtual ms until settled', Math.round(overdueMs));
      if (this.#cluster.provider.isUnlisted) {
        tally.add('settled in spite of lists that cannot be read');
        this.#cluster.provider.list();
        this.#begin();
        return;
      }
      if (this.#isOver || !this.#epilogue.isFair) {
        this.#audit();
        return;
      }
      this.#isOver = true;
      this.#epilogue.run(() => this.#begin());
      return;
    }
    timeline.stop();
  }

  #begin(): void {
    this.#sinceMs = this.#world.timeline.nowMs;
    this.#least = Number.POSITIVE_INFINITY;
    this.#look();
  }

  #noteMoves(): void {
    const held = this.#cluster.broker.queues.reduce((sum, { ready, unacked }) => sum + ready + unacked, 0);
    if (held >= this.#least) return;
    this.#least = held;
    this.#movedMs = this.#world.timeline.nowMs;
  }

  #audit(): void {
    const { checker, timeline } = this.#world;
    for (const journal of this.#cluster.redis.journals) checker.parked(journal.parked());
    checker.finish(this.#cluster.redis);
    timeline.stop();
  }

  #unsettled(): string[] {
    const { broker, redis, consumers } = this.#cluster;
    const { shards } = this.#world.profile;
    const unsettled: string[] = [];
    for (const { name, records } of this.#cluster.folders)
      if (records > 0) unsettled.push(`${records} records in ${name}`);
    if (this.#client.open > 0) unsettled.push(`${this.#client.open} requests`);
    for (const { shard, ready, unacked } of broker.queues) {
      if (ready + unacked > 0) unsettled.push(`${ready} ready and ${unacked} unacked messages of shard ${shard}`);
    }
    if (unsettled.length > 0) return unsettled;
    // What is settled stays open in a journal that has lost the word of it, until the next set, or owner, comes.
    const journals = this.#world.checker.losses.any ? [] : redis.journals;
    journals.forEach((journal, shard) => {
      const { last, deferred, replays } = journal.snapshot();
      if (last !== undefined && last.settledAtMs === undefined) unsettled.push(`set ${last.set} of shard ${shard}`);
      if (deferred.size > 0 && !this.#cluster.provider.isUnlisted)
        unsettled.push(`${deferred.size} deferred entries of shard ${shard}`);
      if (replays.size > 0 && !this.#cluster.provider.isUnlisted)
        unsettled.push(`${replays.size} replays of shard ${shard}`);
    });
    for (const consumer of consumers) if (consumer.isLeaving) unsettled.push(`the drain of ${consumer.process.name}`);
    const owned = consumers.reduce((sum, consumer) => sum + consumer.owned.length, 0);
    if (owned !== shards) unsettled.push(`${owned} of ${shards} shards are owned`);
    // One that does not read what the cluster writes by now gets nothing more: it joined at the last moment, and keeps what it has.
    const able = consumers.filter(({ reads }) => reads >= this.#cluster.redis.format);
    const loads = able.map((consumer) => consumer.owned.length);
    const isShared = able.length < consumers.length && loads.reduce((sum, load) => sum + load, 0) < shards;
    if (!isShared && Math.max(...loads) - Math.min(...loads) > 1) unsettled.push(`loads of ${loads.join(', ')} shards`);
    return unsettled;
  }
}
