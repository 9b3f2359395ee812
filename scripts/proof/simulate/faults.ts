import { slotCount } from '../../../shared/event/lane.ts';
import { newestFormat } from '../../../shared/journal/format.ts';
import { connectedAccounts } from './client.ts';
import type { Cluster } from './cluster.ts';
import type { Consumer } from './shells/consumer.ts';
import { type ProviderMode, unlistedWays } from './models/model-provider.ts';
import { noRates } from './drawing/profile.ts';
import type { Publisher } from './shells/publisher.ts';
import type { Random } from './time/random.ts';
import type { PlannedFault } from './drawing/schedule.ts';
import type { World } from './models/world.ts';

export const outages: readonly ProviderMode[] = [
  'failing',
  'refusing_connections',
  'silent',
  'key_revoked',
  'throttling',
];

/** Makes the trouble that is planned, until its time is over; then it repairs everything that is broken. */
export class Faults {
  readonly #world: World;
  readonly #cluster: Cluster;
  /** Of the fault that is being caused. */
  #random: Random;

  constructor(world: World, cluster: Cluster, planned: readonly PlannedFault[], random: Random) {
    this.#world = world;
    this.#cluster = cluster;
    this.#random = random;
    for (const fault of planned) {
      world.timeline.at(fault.atMs, () => {
        world.tally.add(`fault: ${fault.kind}`);
        this.#random = fault.random;
        this.#cause(fault);
      });
    }
    world.timeline.at(world.profile.activeMs, () => this.#repair());
  }

  #cause({ kind }: PlannedFault): void {
    const { profile, timeline } = this.#world;
    const random = this.#random;
    const cluster = this.#cluster;
    const someLeases = (most: number): number => random.between(0, most * profile.leaseMs);
    switch (kind) {
      case 'consumer_crash':
        this.#crashConsumer();
        break;
      case 'all_consumers_crash':
        this.#crashAllConsumers();
        break;
      case 'consumer_freeze':
        this.#someConsumer((consumer) => cluster.freeze(consumer, random.between(0, profile.longestFreezeMs)));
        break;
      case 'consumer_leave':
        this.#someConsumer((consumer) => {
          consumer.leave();
          timeline.after(someLeases(2), () => cluster.addConsumer());
        });
        break;
      case 'consumer_join':
        if (cluster.consumers.length <= profile.shards) cluster.addConsumer();
        break;
      case 'publisher_crash':
        this.#crashPublisher();
        break;
      case 'publisher_freeze':
        cluster.freeze(random.pick(cluster.publishers), someLeases(1));
        break;
      case 'publisher_left_behind':
        this.#leaveBehind();
        break;
      case 'clock_jump':
        random.pick(cluster.publishers).jumpClock();
        break;
      case 'disk_full':
        this.#fillDisk();
        break;
      case 'broker_link_cut':
        this.#cutBrokerLink();
        break;
      case 'broker_restart':
      case 'broker_power_loss':
        this.#restartBroker(kind === 'broker_power_loss', someLeases(2));
        break;
      case 'broker_away':
        this.#restartBroker(random.chance(0.3), random.between(profile.brokerAwayMs.least, profile.brokerAwayMs.most));
        break;
      case 'channel_lost':
        this.#someConsumer((consumer) => {
          const channels = consumer.broker.link?.channels ?? [];
          if (channels.length > 0) random.pick(channels).breakAtBroker(random.chance(0.5));
        });
        break;
      case 'binding_missing':
        this.#loseBindings();
        break;
      case 'unreadable_message':
        cluster.broker.publishUnreadable(random.integer(0, profile.shards - 1));
        break;
      case 'redis_cut':
        this.#someConsumer((consumer) => consumer.redis.cut(random.pick(['lost', 'late'])));
        break;
      case 'redis_stall':
        this.#stallRedis();
        break;
      case 'redis_restart':
        cluster.redis.stop();
        timeline.after(someLeases(2), () => cluster.redis.start());
        break;
      case 'redis_loses_writes':
        this.#loseWrites();
        break;
      case 'provider_outage':
        this.#failProvider();
        break;
      case 'account_revoked':
        this.#revokeAccount();
        break;
      case 'meters_unlisted':
        this.#unlistMeters();
        break;
      case 'windows_change':
        this.#someConsumer((consumer) => {
          const { windowMs, windowMaxMs } = profile;
          const steps = Math.log2(windowMaxMs / windowMs);
          consumer.changeWindow(windowMs * 2 ** random.integer(0, steps));
        });
        break;
    }
    if (this.#world.trace.on) this.#world.trace.line('fault', kind);
  }

  #someConsumer(action: (consumer: Consumer) => void): void {
    const { consumers } = this.#cluster;
    if (consumers.length > 0) action(this.#random.pick(consumers));
  }

  #crashConsumer(): void {
    this.#someConsumer((consumer) => {
      this.#cluster.kill(consumer, this.#random.chance(0.3));
      const awayMs = this.#random.pick([50, this.#random.between(0, 2 * this.#world.profile.leaseMs)]);
      this.#world.timeline.after(awayMs, () => this.#cluster.addConsumer());
    });
  }

  /** Nobody is there for a long time, and a backlog grows. */
  #crashAllConsumers(): void {
    const { activeMs } = this.#world.profile;
    this.#endConsumers(this.#random.between(0, activeMs - this.#world.timeline.nowMs));
  }

  #endConsumers(awayMs: number): void {
    const consumers = [...this.#cluster.consumers];
    for (const consumer of consumers) this.#cluster.kill(consumer, false);
    this.#world.timeline.after(awayMs, () => {
      for (const _ of consumers) this.#cluster.addConsumer();
    });
  }

  #crashPublisher(): void {
    const publisher = this.#random.pick(this.#cluster.publishers);
    const { least, most } = this.#world.profile.publisherAwayMs;
    if (publisher.process.isAlive) this.#endPublisher(publisher, this.#random.between(least, most));
  }

  #endPublisher(publisher: Publisher, awayMs: number): void {
    if (!publisher.process.isAlive) return;
    this.#cluster.kill(publisher, this.#random.chance(0.3));
    this.#world.timeline.after(awayMs, () => {
      // The end of the faults may have brought it back before.
      if (!this.#cluster.publishers.includes(publisher)) return;
      this.#cluster.dropPublisher(publisher);
      this.#cluster.addPublisher(publisher.folder);
    });
  }

  /**
   * A sidecar loses its connection with messages on the broker that it was not told of, so it has them in its spool as well, and
   * ends. Either it is back with them after weeks; or soon, but then nobody is there to count them for weeks.
   */
  #leaveBehind(): void {
    const { leaseMs, publisherAwayMs, activeMs } = this.#world.profile;
    const { timeline } = this.#world;
    const publisher = this.#random.pick(this.#cluster.publishers);
    if (!publisher.process.isAlive) return;
    publisher.broker.link?.cut(0, 1);
    const weeksMs = this.#random.between(publisherAwayMs.least, publisherAwayMs.most);
    const isBackSoon = this.#random.chance(0.5);
    timeline.after(this.#random.between(60, 200), () =>
      this.#endPublisher(publisher, isBackSoon ? 2 * leaseMs : weeksMs),
    );
    if (!isBackSoon) return;
    timeline.after(1.5 * leaseMs, () => {
      if (timeline.nowMs < activeMs) this.#endConsumers(Math.min(weeksMs * 1.2, activeMs - timeline.nowMs));
    });
  }

  #cutBrokerLink(): void {
    const { broker } = this.#cluster;
    if (broker.links.size === 0) return;
    const link = this.#random.pick([...broker.links]);
    if (this.#random.chance(0.3)) {
      link.stall(this.#random.between(0, this.#world.profile.heartbeatMs));
      return;
    }
    const notice = (): number =>
      this.#random.chance(0.5) ? this.#random.between(0, 20) : this.#cluster.heartbeatTimeoutMs();
    link.cut(notice(), notice());
  }

  #restartBroker(withPower: boolean, awayMs: number): void {
    const { broker } = this.#cluster;
    if (!broker.isUp) return;
    broker.stop(withPower);
    this.#world.timeline.after(awayMs, () => broker.start());
  }

  #fillDisk(): void {
    const folder = this.#random.pick(this.#cluster.folders);
    folder.isFull = true;
    this.#world.timeline.after(this.#random.between(0, this.#world.profile.leaseMs), () => {
      folder.isFull = false;
    });
  }

  #loseBindings(): void {
    const { broker } = this.#cluster;
    const slots = Array.from({ length: slotCount }, (_, slot) => slot).filter(() => this.#random.chance(0.5));
    for (const slot of slots) broker.setUnbound(slot, true);
    this.#world.timeline.after(this.#random.between(0, this.#world.profile.leaseMs / 2), () => {
      for (const slot of slots) broker.setUnbound(slot, false);
    });
  }

  /** Down for a moment, and back with an older state, or none. */
  #loseWrites(): void {
    const { redis } = this.#cluster;
    const { timeline, profile } = this.#world;
    if (!redis.isUp) return;
    redis.stop();
    if (this.#random.chance(0.2)) redis.loseEverything();
    else redis.loseWritesSince(timeline.nowMs - this.#random.between(0, profile.leaseMs));
    timeline.after(this.#random.between(0, profile.leaseMs / 2), () => redis.start());
  }

  /** Now and then twice, with just enough time in between for what was held up. */
  #stallRedis(): void {
    const { leaseMs } = this.#world.profile;
    this.#someConsumer((consumer) => {
      const stalledMs = this.#random.between(0, 1.5 * leaseMs);
      consumer.redis.stall(stalledMs);
      if (this.#random.chance(0.5)) return;
      const againMs = this.#random.between(0, 1.5 * leaseMs);
      this.#world.timeline.after(stalledMs + this.#random.between(0, 5), () => consumer.redis.stall(againMs));
    });
  }

  #failProvider(): void {
    const { provider } = this.#cluster;
    const { least, most } = this.#world.profile.outageMs;
    const mode = this.#random.pick(outages);
    provider.mode = mode;
    this.#world.tally.add(`outage: ${mode}`);
    this.#world.timeline.after(this.#random.between(least, most), () => {
      provider.mode = 'well';
    });
  }

  #revokeAccount(): void {
    const { provider } = this.#cluster;
    const { least, most } = this.#world.profile.outageMs;
    const account = this.#random.pick(connectedAccounts);
    provider.revoke(account, true);
    this.#world.timeline.after(this.#random.between(least, most), () => provider.revoke(account, false));
  }

  /** Some lists stay unreadable until everything else has settled in spite of them (settlement.ts). */
  #unlistMeters(): void {
    const { provider } = this.#cluster;
    const account = this.#random.pick(['', ...connectedAccounts]);
    const way = this.#random.pick(unlistedWays);
    provider.unlist(account, way);
    this.#world.tally.add(`meters unlisted: ${way}`);
    if (this.#random.chance(0.5)) return;
    const { least, most } = this.#world.profile.outageMs;
    this.#world.timeline.after(this.#random.between(least, most), () => provider.unlist(account, undefined));
  }

  #repair(): void {
    if (this.#world.trace.on) this.#world.trace.line('fault', 'the faults are over');
    this.#world.rates = noRates;
    const { broker, redis, provider, consumers, publishers } = this.#cluster;
    // What is away for some time comes back when that is over, or now.
    broker.start();
    redis.start();
    provider.mend();
    for (const account of connectedAccounts) provider.revoke(account, false);
    for (let slot = 0; slot < slotCount; slot++) broker.setUnbound(slot, false);
    for (const { process } of [...consumers, ...publishers]) process.thaw();
    const staying = consumers.filter(({ isLeaving, reads }) => !isLeaving && reads >= redis.format).length;
    if (staying === 0) this.#cluster.addConsumer(newestFormat);
    for (const publisher of publishers) {
      if (publisher.process.isAlive) continue;
      this.#cluster.dropPublisher(publisher);
      this.#cluster.addPublisher(publisher.folder);
    }
    for (const folder of this.#cluster.folders) folder.isFull = false;
  }
}
