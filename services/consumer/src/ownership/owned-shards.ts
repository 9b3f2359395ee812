import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { heartbeatMaxS } from '../../../../shared/amqp/broker-url.ts';
import type { BrokerSession } from '../../../../shared/amqp/connection.ts';
import type { ShardJournal } from '../../../../shared/journal/journal.ts';
import { SharedTrouble } from '../../../../shared/log/shared-trouble.ts';
import type { Trouble } from '../../../../shared/log/troubles.ts';
import { shardQueue } from '../../../../shared/topology/names.ts';
import { defaultDriveLimits } from '../lanes/drive-limits.ts';
import { Served } from '../lanes/served.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import type { RandomSource } from '../sending/random-source.ts';
import { ShardCore } from '../shard/core.ts';
import { Mailbox } from '../shard/mailbox.ts';
import { ParkedLog } from '../shard/parked-log.ts';
import type { EndReason } from '../shard/protocol.ts';
import { ShardRunner } from '../shard/runner.ts';
import type { ShardLimits } from '../shard/shard-limits.ts';
import { Windows } from '../windows/windows.ts';
import type { MemberOptions, MemberPorts } from './member-ports.ts';
import type { OwnershipLog } from './ownership-log.ts';
import type { OwnershipEffect } from './protocol.ts';
import { addTotals } from './stats.ts';
import type { UnreadableJournals } from './unreadable-journals.ts';

interface OwnedShardsPorts extends MemberPorts {
  readonly ownershipLog: OwnershipLog;
  readonly unreadableJournals: UnreadableJournals;
  readonly session: () => BrokerSession | undefined;
  /** The shard's calls are over. `next`: of the next set, as far as the journal has told. */
  readonly ended: (shard: number, reason: EndReason, next: number) => void;
}

/** What the ownership core decides for a shard that runs. */
type ShardOrder = OwnershipEffect & { readonly type: 'lease_renewed' | 'lease_lost' | 'hand_over' | 'drain' };

const callsPollMs = 5;
const windowsEveryMs = 1_000;
/** Brokers give a connection up after about two heartbeats without a word. */
const strandedMs = 3 * heartbeatMaxS * 1000;

const random: RandomSource = { number: Math.random, token: () => randomBytes(16).toString('hex') };

const consumingTrouble: Trouble = {
  reason: 'queue_not_consumed',
  message:
    'Shard queues cannot be consumed: their usage waits in the broker, and none is lost. If a queue was deleted, run tallyman topology. Trying again.',
  remark: 'Shard queues cannot be consumed.',
};
const loadingTrouble: Trouble = {
  reason: 'journal_not_read',
  message: 'The journals of shards cannot be read: their usage waits in the broker, and none is lost. Trying again.',
  remark: 'The journals of shards cannot be read.',
};

/** The shards that a member owns: one runner each, from the grant of its lease until its last call is over. */
export class OwnedShards {
  readonly #options: MemberOptions;
  readonly #ports: OwnedShardsPorts;
  readonly #runners = new Map<number, ShardRunner>();
  readonly #mailbox = new Mailbox();
  readonly #served = new Served();
  readonly #windows: Windows;
  readonly #parkedLog: ParkedLog;
  readonly #consuming: SharedTrouble;
  readonly #loading: SharedTrouble;
  #windowsDueMs = Number.NEGATIVE_INFINITY;
  #ticking = false;

  constructor(options: MemberOptions, ports: OwnedShardsPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#windows = new Windows(options, ports.log, ports.troubles);
    this.#parkedLog = new ParkedLog(ports.troubles);
    this.#consuming = new SharedTrouble(ports.troubles, consumingTrouble, 'Every shard queue is consumed again.');
    this.#loading = new SharedTrouble(ports.troubles, loadingTrouble, 'The journals of all shards could be read.');
  }

  get runners(): ReadonlyMap<number, ShardRunner> {
    return this.#runners;
  }

  get windows(): Pick<Windows, 'windowMs' | 'capacityRatio'> {
    return this.#windows;
  }

  start(shard: number, epoch: number, deadlineMs: number, journal: ShardJournal): void {
    const { namespace, incarnation, slots, callTimeoutMs } = this.#options;
    const { dispatcher, deadLetters, session, catalog, needCatalog, parked, unreadableJournals } = this.#ports;
    const limits: ShardLimits = {
      ...this.#options.shard,
      shard,
      incarnation,
      callTimeoutMs,
      strandedMs,
      drive: defaultDriveLimits,
      served: this.#served,
    };
    const log = this.#ports.log.child({ shard, epoch });
    const core = new ShardCore(limits, deadlineMs, catalog(), random);
    const runner = new ShardRunner(core, {
      queue: shardQueue(namespace, shard),
      hasSlot: (slot) => slots[slot] === shard,
      epoch,
      journal,
      session,
      mailbox: this.#mailbox,
      deadLetters,
      parkedLog: this.#parkedLog,
      consuming: this.#consuming,
      loading: this.#loading,
      loaded: () => unreadableJournals.gone(shard),
      isUnreadable: (error) => unreadableJournals.failed(shard, error),
      log,
      needCatalog,
      parked: (entries) => parked(shard, entries),
      wakeDispatcher: () => dispatcher.wake(),
      ended: (reason) => void this.#ended(shard, runner, reason),
    });
    this.#runners.set(shard, runner);
    dispatcher.add(runner);
    log.debug('Took over a shard.');
    runner.start();
    const { windowMs } = this.#windows;
    if (windowMs !== limits.windowMs) runner.post({ type: 'window_changed', windowMs });
  }

  post(order: ShardOrder): void {
    this.#runners.get(order.shard)?.post(order);
  }

  connected(): void {
    for (const runner of this.#runners.values()) runner.connected();
  }

  catalogRead(catalog: MeterCatalog, account: string): void {
    for (const runner of this.#runners.values()) runner.post({ type: 'catalog_read', catalog, account });
  }

  tick(): void {
    this.#lookAtWindows(performance.now());
    if (!this.#ticking) void this.#tickShards();
  }

  /** Ends all at once; resolves when the calls that were under way are over. */
  async abandon(): Promise<void> {
    const runners = [...this.#runners.values()];
    this.#runners.clear();
    for (const runner of runners) {
      this.#ports.dispatcher.remove(runner);
      runner.abandon();
      addTotals(this.#ports.past, runner);
    }
    await Promise.all(runners.map((runner) => this.#callsOver(runner)));
  }

  #lookAtWindows(nowMs: number): void {
    if (nowMs < this.#windowsDueMs) return;
    this.#windowsDueMs = nowMs + windowsEveryMs;
    let demandPerS = 0;
    for (const { core } of this.#runners.values()) demandPerS += core.memory.demand.perS(nowMs);
    const { shards } = this.#options;
    const seen = { demandPerS, owned: this.#runners.size, shards, budgetPerS: this.#ports.budgetPerS() };
    const windowMs = this.#windows.look(seen, nowMs);
    if (windowMs === undefined) return;
    for (const runner of this.#runners.values()) runner.post({ type: 'window_changed', windowMs });
  }

  /** One shard per turn of the event loop: when many seal at once, each takes some milliseconds. */
  async #tickShards(): Promise<void> {
    this.#ticking = true;
    for (const runner of [...this.#runners.values()]) {
      runner.post({ type: 'ticked' });
      await nextTurn();
    }
    this.#ticking = false;
  }

  async #ended(shard: number, runner: ShardRunner, reason: EndReason): Promise<void> {
    this.#ports.dispatcher.remove(runner);
    this.#ports.ownershipLog.ended(shard, reason);
    // Not claimed again by this process while calls of the old tenure run: they would share lanes with the new ones.
    await this.#callsOver(runner);
    if (this.#runners.get(shard) === runner) {
      this.#runners.delete(shard);
      addTotals(this.#ports.past, runner);
    }
    this.#ports.ended(shard, reason, runner.core.flight.journalNext);
  }

  async #callsOver(runner: ShardRunner): Promise<void> {
    while (this.#ports.dispatcher.inFlightOf(runner) > 0)
      await new Promise((resolve) => setTimeout(resolve, callsPollMs));
  }
}
