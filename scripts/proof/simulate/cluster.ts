import { type JournalFormat, newestFormat, oldestFormat } from '../../../shared/journal/format.ts';
import { Consumer, type Services } from './shells/consumer.ts';
import { ModelBroker } from './models/model-broker.ts';
import { ModelFolder } from './models/model-folder.ts';
import { ModelProvider } from './models/model-provider.ts';
import { ModelRedis } from './models/model-redis.ts';
import { Process } from './time/process.ts';
import { Publisher } from './shells/publisher.ts';
import type { Random } from './time/random.ts';
import type { World } from './models/world.ts';

/** The processes of one simulated cluster and what they stand on. */
export class Cluster implements Services {
  readonly broker: ModelBroker;
  readonly redis: ModelRedis;
  readonly provider: ModelProvider;
  readonly #world: World;
  readonly #random: Random;
  #consumers: Consumer[] = [];
  #publishers: Publisher[] = [];
  /** Of the sidecars, one each; they stay when their sidecar is gone. */
  readonly folders: ModelFolder[] = [];
  #started = 0;
  /** Consumers that a person has to let in. */
  #waiting = 0;
  #isPersonExpected = false;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
    this.broker = new ModelBroker(world, random.fork());
    this.redis = new ModelRedis(world);
    this.provider = new ModelProvider(world, random.fork());
    for (let consumer = 0; consumer < world.profile.consumers; consumer++) this.addConsumer();
    for (let publisher = 0; publisher < world.profile.publishers; publisher++) {
      this.folders.push(new ModelFolder(`spool-${publisher + 1}`, random.fork()));
      this.addPublisher(this.folders[publisher]);
    }
  }

  /** Alive, frozen ones too. */
  get consumers(): readonly Consumer[] {
    this.#consumers = this.#consumers.filter(({ process }) => process.isAlive);
    return this.#consumers;
  }

  /** Every sidecar that an application may have the address of; some may be dead. */
  get publishers(): readonly Publisher[] {
    return this.#publishers;
  }

  /** It waits for a person if Redis has lost what says that it may begin. Its version is drawn, unless it is given. */
  addConsumer(reads?: JournalFormat): void {
    const { incarnation } = this.redis;
    if (incarnation === undefined) {
      this.#waiting++;
      this.#expectPerson();
      return;
    }
    const process = this.#newProcess('consumer');
    this.#consumers.push(
      new Consumer(this.#world, this, process, this.#random.fork(), {
        incarnation,
        reads: reads ?? this.#version(),
      }),
    );
  }

  /** While a new version is rolled out, and rolled back in part: by the format that it reads. */
  #version(): JournalFormat {
    const { formatSwitchMs, isRolledBackLate } = this.#world.profile;
    const isTooLate = this.redis.format === newestFormat && isRolledBackLate !== true;
    if (formatSwitchMs === undefined || isTooLate) return newestFormat;
    return this.#random.chance(0.3) ? oldestFormat : newestFormat;
  }

  /** It is made anew when its calls are over, or when a person has run `tallyman recover`. */
  halted(consumer: Consumer): void {
    if (this.#world.trace.on) this.#world.trace.line(consumer.process.name, 'waits for a person');
    this.#world.timeline.after(this.#world.profile.callTimeoutMs, () => this.addConsumer());
  }

  #expectPerson(): void {
    if (this.#isPersonExpected) return;
    this.#isPersonExpected = true;
    const { timeline, profile, tally, trace } = this.#world;
    timeline.after(this.#random.between(0.1, 2) * profile.leaseMs, () => {
      this.#isPersonExpected = false;
      this.redis.recover(this.#random.hex(4));
      tally.add('recovered by a person');
      if (trace.on) trace.line('person', 'runs tallyman recover');
      const waiting = this.#waiting;
      this.#waiting = 0;
      for (let consumer = 0; consumer < waiting; consumer++) this.addConsumer();
    });
  }

  /** A sidecar on this folder, whatever process had it before. */
  addPublisher(folder: ModelFolder | undefined): void {
    if (folder === undefined) return;
    const process = this.#newProcess('publisher');
    this.#publishers.push(new Publisher(this.#world, this.broker, this.redis, process, folder, this.#random.fork()));
  }

  /** SIGKILL, or the machine is gone: then the broker has to notice by itself. */
  kill(member: Consumer | Publisher, withMachine: boolean): void {
    const { link } = member.broker;
    if (withMachine) link?.cut(this.heartbeatTimeoutMs(), 0);
    else link?.close();
    if (member instanceof Consumer) member.redis.end();
    else member.folder.crash(withMachine);
    member.process.kill();
    if (this.#world.trace.on) this.#world.trace.line(member.process.name, 'is killed');
  }

  /** Stands still for so long; the broker gives its connection up if it misses its heartbeats. */
  freeze(member: Consumer | Publisher, durationMs: number): void {
    const { timeline, trace } = this.#world;
    const { process } = member;
    if (process.isFrozen || !process.isAlive) return;
    if (trace.on) trace.line(process.name, `is frozen for ${durationMs.toFixed(0)} ms`);
    process.freeze();
    const { freezes } = process;
    timeline.after(this.heartbeatTimeoutMs(), () => {
      if (process.isFrozen && process.freezes === freezes) member.broker.link?.breakAtBroker(0);
    });
    timeline.after(durationMs, () => {
      if (process.freezes !== freezes) return;
      if (trace.on) trace.line(process.name, 'wakes up');
      process.thaw();
    });
  }

  dropPublisher(publisher: Publisher): void {
    this.#publishers = this.#publishers.filter((other) => other !== publisher);
  }

  heartbeatTimeoutMs(): number {
    return this.#world.profile.heartbeatMs * this.#random.between(1, 2);
  }

  #newProcess(kind: string): Process {
    const { timeline, profile, trace } = this.#world;
    const name = `${kind}-${++this.#started}`;
    if (trace.on) trace.line(name, 'starts');
    return new Process(name, timeline, this.#random.fork(), profile.hesitation);
  }
}
