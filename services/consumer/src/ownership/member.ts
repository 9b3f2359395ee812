import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { heartbeatMaxS } from '../../../../shared/amqp/broker-url.ts';
import type { BrokerConnection, BrokerSession } from '../../../../shared/amqp/connection.ts';
import type { ShardJournal } from '../../../../shared/journal/journal.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { shardQueue } from '../../../../shared/topology/names.ts';
import type { CallSource } from '../dispatch/dispatcher.ts';
import { defaultDriveLimits } from '../shard/drive-limits.ts';
import { ShardCore, type ShardLimits } from '../shard/core.ts';
import type { DeadLetters } from '../shard/dead-letters.ts';
import { Mailbox } from '../shard/mailbox.ts';
import type { MeterCatalog } from '../shard/open-set.ts';
import type { EndReason, RandomSource } from '../shard/protocol.ts';
import { ShardRunner } from '../shard/runner.ts';
import { Windows } from '../windows/windows.ts';
import { OwnershipCore, type OwnershipEffect, type OwnershipEvent } from './core.ts';
import type { Heartbeat, Membership } from './membership.ts';
import { addTotals, type ShardTotals } from './stats.ts';

/**
 * This consumer as a member of the cluster: the shell of the ownership core. It keeps heartbeats and leases, and one
 * runner per shard that it owns. One life: a member that has halted or left is replaced by a new one.
 */
export interface MemberOptions {
  readonly namespace: string;
  readonly shards: number;
  readonly incarnation: string;
  /** Shard of each slot, as the topology has it. */
  readonly slots: readonly number[];
  readonly leaseMs: number;
  readonly drainMs: number;
  readonly callTimeoutMs: number;
  readonly windowMs: number;
  readonly windowMaxMs: number;
  readonly shard: Omit<ShardLimits, 'shard' | 'incarnation' | 'callTimeoutMs' | 'strandedMs' | 'drive'>;
}

/** What a member needs of the dispatcher of calls. */
export interface CallStarter {
  add(source: CallSource): void;
  remove(source: CallSource): void;
  wake(): void;
  inFlightOf(source: CallSource): number;
}

export interface MemberPorts {
  readonly broker: BrokerConnection;
  readonly membership: Membership;
  readonly journalOf: (shard: number) => ShardJournal;
  readonly dispatcher: CallStarter;
  readonly deadLetters: DeadLetters;
  readonly log: Logger;
  /** The catalog that is known now; a member is only made once there is one. */
  readonly catalog: () => MeterCatalog;
  readonly needCatalog: (account: string) => void;
  /** Calls per second that the cluster may make now. */
  readonly budgetPerS: () => number;
  /** Totals of tenures that are over are added here. */
  readonly past: ShardTotals;
  /**
   * Redis contradicts what this process knows: nothing may go on. `fault` says what that means and what to run; `lost`: Redis
   * has lost writes, and the others may not know it.
   */
  readonly halted: (fault: string, lost: boolean) => void;
}

const lostWrites = 'Redis has lost writes. What is in the broker is safe and waits; run npm run recover.';
const tickMs = 20;
const callsPollMs = 5;
const windowsEveryMs = 1_000;
/** Brokers give a connection up after about two heartbeats without a word. */
const strandedMs = 3 * heartbeatMaxS * 1000;

const random: RandomSource = { number: Math.random, token: () => randomBytes(16).toString('hex') };

export class Member {
  readonly name: string;
  readonly #options: MemberOptions;
  readonly #ports: MemberPorts;
  readonly #core: OwnershipCore;
  readonly #runners = new Map<number, ShardRunner>();
  readonly #journals = new Map<number, ShardJournal>();
  readonly #mailbox = new Mailbox();
  #session: BrokerSession | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #finished: (() => void) | undefined;
  readonly #windows: Windows;
  #windowsDueMs = Number.NEGATIVE_INFINITY;
  #ticking = false;
  #over = false;

  constructor(name: string, options: MemberOptions, ports: MemberPorts) {
    this.name = name;
    this.#options = options;
    this.#ports = ports;
    this.#core = new OwnershipCore({ ...options, member: name });
    this.#windows = new Windows(options, ports.log);
  }

  get isMember(): boolean {
    return this.#core.isMember;
  }

  get members(): readonly string[] {
    return this.#core.members;
  }

  get runners(): ReadonlyMap<number, ShardRunner> {
    return this.#runners;
  }

  get windows(): Pick<Windows, 'windowMs' | 'capacityRatio'> {
    return this.#windows;
  }

  /** `session`: the broker connection that is up now, if any; later ones come through `brokerConnected`. */
  start(session: BrokerSession | undefined): void {
    if (session !== undefined) this.brokerConnected(session);
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    this.#post({ type: 'ticked' });
  }

  brokerConnected(session: BrokerSession): void {
    this.#session = session;
    this.#post({ type: 'broker_changed', connected: true });
    for (const runner of this.#runners.values()) runner.connected();
  }

  brokerLost(): void {
    this.#session = undefined;
    this.#post({ type: 'broker_changed', connected: false });
  }

  catalogRead(catalog: MeterCatalog): void {
    for (const runner of this.#runners.values()) runner.post({ type: 'catalog_read', catalog });
  }

  /** Drains and gives every shard back; resolves when all leases are released. */
  leave(): Promise<void> {
    return new Promise((resolve) => {
      this.#finished = resolve;
      this.#post({ type: 'left' });
    });
  }

  /**
   * Ends at once, for a member that has halted: nothing is written any more, leases run out by themselves. Resolves when
   * the calls that were under way are over, so that whoever comes next shares no lane with them.
   */
  async abandon(): Promise<void> {
    this.#over = true;
    clearInterval(this.#ticker);
    const runners = [...this.#runners.values()];
    this.#runners.clear();
    for (const runner of runners) {
      this.#ports.dispatcher.remove(runner);
      runner.abandon();
      addTotals(this.#ports.past, runner);
    }
    await Promise.all(runners.map((runner) => this.#callsOver(runner)));
  }

  #tick(): void {
    this.#post({ type: 'ticked' });
    this.#lookAtWindows(performance.now());
    if (!this.#ticking) void this.#tickShards();
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

  #post(event: OwnershipEvent): void {
    if (this.#over) return;
    for (const effect of this.#core.step(event, performance.now())) this.#run(effect);
  }

  #run(effect: OwnershipEffect): void {
    switch (effect.type) {
      case 'heartbeat':
        void this.#heartbeat(effect.ttlMs);
        break;
      case 'withdraw':
        void this.#withdraw();
        break;
      case 'claim':
        void this.#claim(effect.shard, effect.ttlMs);
        break;
      case 'renew':
        void this.#renew(effect.shard, effect.epoch, effect.ttlMs);
        break;
      case 'release':
        void this.#release(effect.shard, effect.epoch);
        break;
      case 'start_shard':
        this.#startShard(effect.shard, effect.epoch, effect.deadlineMs);
        break;
      case 'lease_renewed':
      case 'lease_lost':
      case 'hand_over':
      case 'drain':
        this.#runners.get(effect.shard)?.post(effect);
        break;
      case 'halt':
        this.#ports.halted(`Shard ${effect.shard}: ${effect.reason}. ${lostWrites}`, true);
        break;
      case 'finished':
        clearInterval(this.#ticker);
        this.#finished?.();
        break;
    }
  }

  async #heartbeat(ttlMs: number): Promise<void> {
    try {
      const { members, topology } = await this.#ports.membership.heartbeat(this.name, ttlMs);
      const fault = this.#contradiction(topology);
      if (fault === undefined) this.#post({ type: 'heartbeat_answered', members });
      else if (!this.#over) this.#ports.halted(fault, false);
    } catch (error) {
      this.#ports.log.debug({ error }, 'A heartbeat was not answered.');
      this.#post({ type: 'heartbeat_answered', members: undefined });
    }
  }

  async #withdraw(): Promise<void> {
    try {
      this.#post({ type: 'withdraw_answered', others: await this.#ports.membership.withdraw(this.name) });
    } catch (error) {
      // The heartbeat runs out by itself.
      this.#ports.log.debug({ error }, 'The withdrawal was not answered.');
      this.#post({ type: 'withdraw_answered', others: undefined });
    }
  }

  #contradiction(now: Heartbeat['topology']): string | undefined {
    const { incarnation, shards } = this.#options;
    if (now?.incarnation !== incarnation) {
      return `The topology's incarnation was ${incarnation} and is ${now?.incarnation ?? 'gone'}. ${lostWrites}`;
    }
    if (now.shards === shards) return undefined;
    return (
      `The cluster had ${shards} shards and has ${now.shards} now. This consumer counts nothing any more; its usage is with the ` +
      `others. Start it again with TALLYMAN_SHARDS=${now.shards}.`
    );
  }

  async #claim(shard: number, ttlMs: number): Promise<void> {
    const askedAtMs = performance.now();
    try {
      const answer = await this.#journalOf(shard).claim(this.name, ttlMs);
      this.#post({ type: 'claim_answered', shard, answer, askedAtMs });
    } catch (error) {
      this.#ports.log.debug({ error, shard }, 'A claim was not answered.');
      this.#post({ type: 'claim_answered', shard, answer: undefined, askedAtMs });
    }
  }

  async #renew(shard: number, epoch: number, ttlMs: number): Promise<void> {
    const askedAtMs = performance.now();
    try {
      const answer = await this.#journalOf(shard).renew(epoch, ttlMs);
      this.#post({ type: 'renew_answered', shard, epoch, answer, askedAtMs });
    } catch (error) {
      this.#ports.log.debug({ error, shard }, 'A lease was not renewed.');
      this.#post({ type: 'renew_answered', shard, epoch, answer: undefined, askedAtMs });
    }
  }

  async #release(shard: number, epoch: number): Promise<void> {
    try {
      await this.#journalOf(shard).release(epoch);
    } catch (error) {
      this.#ports.log.debug({ error, shard }, 'A lease was not released; it runs out by itself.');
    }
    this.#post({ type: 'release_answered', shard });
  }

  #journalOf(shard: number): ShardJournal {
    let journal = this.#journals.get(shard);
    if (journal === undefined) {
      journal = this.#ports.journalOf(shard);
      this.#journals.set(shard, journal);
    }
    return journal;
  }

  #startShard(shard: number, epoch: number, deadlineMs: number): void {
    const { namespace, incarnation, slots, callTimeoutMs } = this.#options;
    const { dispatcher, deadLetters, catalog, needCatalog } = this.#ports;
    const limits: ShardLimits = {
      ...this.#options.shard,
      shard,
      incarnation,
      callTimeoutMs,
      strandedMs,
      drive: defaultDriveLimits,
    };
    const log = this.#ports.log.child({ shard, epoch });
    const core = new ShardCore(limits, deadlineMs, catalog(), random);
    const runner = new ShardRunner(core, {
      queue: shardQueue(namespace, shard),
      hasSlot: (slot) => slots[slot] === shard,
      epoch,
      journal: this.#journalOf(shard),
      session: () => this.#session,
      mailbox: this.#mailbox,
      deadLetters,
      log,
      needCatalog,
      wakeDispatcher: () => dispatcher.wake(),
      ended: (reason) => void this.#ended(shard, runner, reason, log),
    });
    this.#runners.set(shard, runner);
    dispatcher.add(runner);
    log.info('Took over a shard.');
    runner.start();
    const { windowMs } = this.#windows;
    if (windowMs !== limits.windowMs) runner.post({ type: 'window_changed', windowMs });
  }

  async #ended(shard: number, runner: ShardRunner, reason: EndReason, log: Logger): Promise<void> {
    this.#ports.dispatcher.remove(runner);
    if (reason === 'released') log.info('Gave a shard back.');
    else
      log.warn({ reason }, 'Lost a shard: what it had not sealed is discarded and delivered again to its next owner.');
    // Not claimed again by this process while calls of the old tenure run: they would share lanes with the new ones.
    await this.#callsOver(runner);
    if (this.#runners.get(shard) === runner) {
      this.#runners.delete(shard);
      addTotals(this.#ports.past, runner);
    }
    this.#post({ type: 'shard_ended', shard, reason, next: runner.core.flight.journalNext });
  }

  async #callsOver(runner: ShardRunner): Promise<void> {
    while (this.#ports.dispatcher.inFlightOf(runner) > 0)
      await new Promise((resolve) => setTimeout(resolve, callsPollMs));
  }
}
