import {
  OwnershipCore,
  type OwnershipEffect,
  type OwnershipEvent,
} from '../../services/consumer/src/ownership/core.ts';
import { ShardCore } from '../../services/consumer/src/shard/core.ts';
import type { MeterCatalog, MeterList, UnreadableMeters } from '../../services/consumer/src/shard/open-set.ts';
import type { EndReason } from '../../services/consumer/src/shard/protocol.ts';
import type { ClaimAnswer } from '../../shared/journal/journal.ts';
import { BrokerClient } from './broker-client.ts';
import { CallRunner } from './call-runner.ts';
import type { ModelBroker } from './model-broker.ts';
import type { ModelProvider } from './model-provider.ts';
import type { ModelRedis } from './model-redis.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import { RedisClient } from './redis-client.ts';
import { ShardRunner } from './shard-runner.ts';
import type { World } from './world.ts';

export interface Services {
  readonly broker: ModelBroker;
  readonly redis: ModelRedis;
  readonly provider: ModelProvider;
}

/** One consumer: the simulation's shell of the ownership core, what `services/consumer/src/ownership/member.ts` is in a real one. */
export class Consumer {
  readonly process: Process;
  readonly broker: BrokerClient;
  readonly redis: RedisClient;
  readonly #world: World;
  readonly #services: Services;
  readonly #random: Random;
  readonly #core: OwnershipCore;
  readonly #runners = new Map<number, ShardRunner>();
  readonly #calls: CallRunner;
  #catalog: MeterCatalog | undefined;
  readonly #connected = new Map<string, MeterList | UnreadableMeters>();
  /** When to read the meters of an account again. */
  readonly #metersDueMs = new Map([['', Number.NEGATIVE_INFINITY]]);
  #isLeaving = false;
  #windowMs: number;
  /** Every claim and every release was answered. */
  #everyLeaseIsKnown = true;

  constructor(world: World, services: Services, process: Process, random: Random) {
    this.#world = world;
    this.#services = services;
    this.process = process;
    this.#random = random;
    const { shards, leaseMs, drainMs, callTimeoutMs } = world.profile;
    this.#windowMs = world.profile.windowMs;
    this.#core = new OwnershipCore({ member: process.name, shards, leaseMs, drainMs, callTimeoutMs });
    this.redis = new RedisClient(world, services.redis, process, random.fork());
    this.#calls = new CallRunner({ ...services, world, process, random: random.fork(), client: this.redis });
    this.broker = new BrokerClient(world, services.broker, process, random.fork(), {
      connected: () => {
        this.#post({ type: 'broker_changed', connected: true });
        for (const runner of this.#runners.values()) runner.connected();
      },
      lost: () => this.#post({ type: 'broker_changed', connected: false }),
    });
    this.#tick();
  }

  get owned(): readonly number[] {
    return this.#core.owned;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** As pressure would. */
  changeWindow(windowMs: number): void {
    this.process.receive(() => {
      this.#windowMs = windowMs;
      for (const runner of this.#runners.values()) runner.post({ type: 'window_changed', windowMs });
    });
  }

  /** SIGTERM. */
  leave(): void {
    this.process.receive(() => {
      this.#isLeaving = true;
      if (this.#catalog === undefined) this.#exit();
      else this.#post({ type: 'left' });
    });
  }

  /** Calls a shard's runner, if it has one: for faults that happen to a shard's channel. */
  get runners(): ReadonlyMap<number, ShardRunner> {
    return this.#runners;
  }

  #tick(): void {
    for (const [account, dueMs] of this.#metersDueMs) if (this.process.nowMs >= dueMs) this.#readMeters(account);
    this.redis.tick();
    this.#post({ type: 'ticked' });
    for (const runner of this.#runners.values()) runner.post({ type: 'ticked' });
    this.#calls.tick();
    this.process.after(this.#world.profile.tickMs, () => this.#tick());
  }

  #post(event: OwnershipEvent): void {
    // A member begins when it knows the meters; the broker's connection may be up before.
    if (this.#catalog === undefined) return;
    for (const effect of this.#core.step(event, this.process.nowMs)) this.#run(effect);
  }

  #run(effect: OwnershipEffect): void {
    const { redis } = this.#services;
    const { name } = this.process;
    if (
      this.#world.trace.on &&
      effect.type !== 'heartbeat' &&
      effect.type !== 'renew' &&
      effect.type !== 'lease_renewed'
    ) {
      this.#world.trace.line(name, `ownership: ${effect.type}${'shard' in effect ? ` of shard ${effect.shard}` : ''}`);
    }
    switch (effect.type) {
      case 'heartbeat':
        this.redis.request(
          'heartbeat',
          () => redis.heartbeat(name, effect.ttlMs),
          (members) => this.#post({ type: 'heartbeat_answered', members }),
        );
        break;
      case 'withdraw':
        this.redis.request('withdraw', () => redis.withdraw(name), nothingFollows);
        break;
      case 'claim':
        this.#claim(effect.shard, effect.ttlMs);
        break;
      case 'renew':
        this.#renew(effect.shard, effect.epoch, effect.ttlMs);
        break;
      case 'release':
        this.#release(effect.shard, effect.epoch);
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
        this.#world.checker.halted(name, effect.reason);
        break;
      case 'finished':
        this.#world.tally.add('drains finished');
        if (this.#everyLeaseIsKnown) this.#world.checker.finished(name, this.#services.redis);
        this.#exit();
        break;
    }
  }

  #exit(): void {
    this.broker.end();
    this.redis.end();
    this.process.kill();
  }

  #claim(shard: number, ttlMs: number): void {
    const { redis } = this.#services;
    const askedAtMs = this.process.nowMs;
    this.redis.request<ClaimAnswer>(
      'claim',
      () => {
        const answer = redis.journal(shard).claim(redis.nowMs, this.process.name, ttlMs);
        if (answer.granted) {
          this.#world.tally.add('leases taken');
          if (answer.epoch > 1) this.#world.tally.add('takeovers');
        }
        return answer;
      },
      (answer) => {
        if (answer === undefined) this.#everyLeaseIsKnown = false;
        this.#post({ type: 'claim_answered', shard, answer, askedAtMs });
      },
    );
  }

  #renew(shard: number, epoch: number, ttlMs: number): void {
    const { redis } = this.#services;
    const held = { epoch, owner: this.process.name };
    const askedAtMs = this.process.nowMs;
    this.redis.request(
      'renew',
      () => redis.journal(shard).renew(redis.nowMs, held, ttlMs),
      (answer) => this.#post({ type: 'renew_answered', shard, epoch, answer, askedAtMs }),
    );
  }

  #release(shard: number, epoch: number): void {
    const { redis } = this.#services;
    const held = { epoch, owner: this.process.name };
    this.redis.request(
      'release',
      () => {
        redis.journal(shard).release(redis.nowMs, held);
        return 'ok';
      },
      (answer) => {
        if (answer === undefined) this.#everyLeaseIsKnown = false;
        this.#post({ type: 'release_answered', shard });
      },
    );
  }

  #startShard(shard: number, epoch: number, deadlineMs: number): void {
    if (this.#catalog === undefined) throw new Error('A member owns a shard before it knows the meters.');
    const { profile } = this.#world;
    const random = this.#random.fork();
    const source = { number: () => random.number(), token: () => random.hex(4) };
    const core = new ShardCore({ ...profile, shard }, deadlineMs, this.#catalog, source);
    const runner: ShardRunner = new ShardRunner(core, {
      world: this.#world,
      shard,
      held: { epoch, owner: this.process.name },
      process: this.process,
      random: random.fork(),
      redis: this.#services.redis,
      journal: this.redis,
      link: () => this.broker.link,
      needCatalog: (account) => this.#needCatalog(account),
      ended: (reason) => this.#ended(shard, runner, reason),
    });
    this.#runners.set(shard, runner);
    this.#calls.add(runner);
    runner.start();
    const { windowMs } = profile;
    if (this.#windowMs !== windowMs) runner.post({ type: 'window_changed', windowMs: this.#windowMs });
  }

  #ended(shard: number, runner: ShardRunner, reason: EndReason): void {
    this.#calls.remove(runner);
    // Not claimed again by this process while calls of the old tenure run.
    if (this.#calls.inFlightOf(runner) > 0) {
      this.process.after(5, () => this.#ended(shard, runner, reason));
      return;
    }
    this.#world.tally.add(`tenures ended: ${reason}`);
    this.#runners.delete(shard);
    const { memory, flight } = runner.core;
    this.#world.tally.add('duplicate events found', memory.duplicateEvents);
    this.#post({ type: 'shard_ended', shard, reason, next: flight.next });
  }

  #needCatalog(account: string): void {
    const dueMs = this.#metersDueMs.get(account);
    const { catalogPaceMs } = this.#world.profile;
    // While it is being read nothing more is asked for.
    if (dueMs === undefined) this.#metersDueMs.set(account, this.process.nowMs);
    else if (dueMs !== Number.POSITIVE_INFINITY)
      this.#metersDueMs.set(account, Math.min(dueMs, this.process.nowMs + catalogPaceMs));
  }

  #readMeters(account: string): void {
    const askedAtMs = this.process.nowMs;
    this.#metersDueMs.set(account, Number.POSITIVE_INFINITY);
    this.#services.provider.readMeters(account, this.process, (answer) => {
      const isRead = answer !== undefined && answer !== 'unreadable';
      this.#metersDueMs.set(account, this.process.nowMs + (isRead ? catalogMaxAgeMs : 200));
      if (answer === undefined) return;
      const isFirst = this.#catalog === undefined;
      if (answer === 'unreadable') {
        const before = this.#connected.get(account);
        if (account === '' || before?.unreadable !== undefined) return;
        this.#connected.set(account, { ...before, unreadable: '403' });
        this.#world.tally.add('connected accounts whose meters cannot be read');
      } else if (account !== '') {
        this.#connected.set(account, { meters: answer, askedAtMs });
      }
      const own = account === '' && isRead ? { meters: answer, askedAtMs } : this.#catalog;
      if (own === undefined) return;
      const catalog = { ...own, connected: new Map(this.#connected) };
      this.#catalog = catalog;
      if (isFirst && this.broker.link !== undefined) this.#post({ type: 'broker_changed', connected: true });
      for (const runner of this.#runners.values()) runner.post({ type: 'catalog_read', catalog });
    });
  }
}

const catalogMaxAgeMs = 900_000;

function nothingFollows(): void {
  // A heartbeat that was not withdrawn runs out by itself.
}
