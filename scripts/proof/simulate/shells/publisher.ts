import { OutboxCore, type OutboxEvent } from '../../../../services/publisher/src/outbox/core.ts';
import { defaultLimits } from '../../../../services/publisher/src/outbox/limits.ts';
import type { PackedEvent } from '../../../../services/publisher/src/outbox/packing.ts';
import { slotOf } from '../../../../shared/event/lane.ts';
import { encodeEvent } from '../../../../shared/event/stored-event.ts';
import type { MessageOrigin, UsageEvent } from '../../../../shared/event/usage-event.ts';
import { BrokerClient } from './broker-client.ts';
import type { BrokerLink } from './broker-link.ts';
import type { ModelBroker } from '../models/model-broker.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { ModelRedis } from '../models/model-redis.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import { SpoolRunner } from './spool-runner.ts';
import type { World } from '../models/world.ts';

export type HttpStatus = 202 | 503;

/** Live messages that are published for each one of the spool, while there are both. */
const livePerReplayed = 4;
const hourMs = 3_600_000;

/** One sidecar: the simulation's shell of the outbox core, what `services/publisher/src/outbox/outbox.ts` is in a real one. */
export class Publisher {
  readonly process: Process;
  readonly folder: ModelFolder;
  readonly broker: BrokerClient;
  readonly #world: World;
  readonly #redis: ModelRedis;
  readonly #core: OutboxCore;
  readonly #spool: SpoolRunner | undefined;
  readonly #random: Random;
  readonly #answers = new Map<number, (status: HttpStatus) => void>();
  #aheadMs = 0;
  #link: BrokerLink | undefined;
  #generation = 0;
  #lastRequest = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #liveInTurn = 0;
  #isPumping = false;
  #pumpAgain = false;

  constructor(
    world: World,
    broker: ModelBroker,
    redis: ModelRedis,
    process: Process,
    folder: ModelFolder,
    random: Random,
  ) {
    this.#world = world;
    this.process = process;
    this.folder = folder;
    this.#redis = redis;
    this.#random = random;
    this.jumpClock();
    this.#core = new OutboxCore(
      { producer: process.name, source: 'simulation', region: '' },
      {
        ...defaultLimits,
        expiryMs: world.profile.publishExpiryMs,
        messageEventsMax: world.profile.messageEventsMax,
        slowMs: world.profile.spool?.slowMs ?? defaultLimits.slowMs,
      },
    );
    if (world.profile.spool !== undefined) {
      const wallClockMs = (): number => this.#wallClockMs();
      const changed = (): void => this.#spoolChanged();
      this.#spool = new SpoolRunner({ world, folder, process, random: random.fork(), wallClockMs, changed });
      this.#spoolChanged();
    }
    this.broker = new BrokerClient(world, broker, process, random.fork(), {
      connected: (link) => this.#connected(link),
      lost: () => {
        this.#link = undefined;
        this.#spool?.lost();
        this.#step({ kind: 'lost', generation: this.#generation });
      },
    });
  }

  /** Its wall clock is set anew, right or wrong; the monotonic one knows nothing of it. */
  jumpClock(): void {
    const { clockSkewMs } = this.#world.profile;
    this.#aheadMs = Math.round(this.#random.between(-clockSkewMs, clockSkewMs));
    if (Math.abs(this.#aheadMs) > hourMs)
      this.#world.tally.add(`clocks hours ${this.#aheadMs > 0 ? 'ahead' : 'behind'}`);
  }

  /** POST /v1/events, once the request has arrived; `answer` is not called if the process ends before. */
  submit(events: readonly UsageEvent[], answer: (status: HttpStatus) => void): void {
    const packed = events.map((event): PackedEvent => {
      const text = encodeEvent(event);
      return { slot: slotOf(event), text, bytes: Buffer.byteLength(text) };
    });
    const request = ++this.#lastRequest;
    this.#answers.set(request, answer);
    this.#step({ kind: 'submitted', request, events: packed, receivedAtMs: this.#wallClockMs() });
  }

  #wallClockMs(): number {
    return this.#redis.nowMs + this.#aheadMs;
  }

  #connected(link: BrokerLink): void {
    this.#generation++;
    this.#link = link;
    this.#step({ kind: 'connected', generation: this.#generation });
  }

  #spoolChanged(): void {
    if (this.#spool !== undefined) this.#step({ kind: 'spool', roomBytes: this.#spool.roomBytes });
  }

  #step(event: OutboxEvent): void {
    for (const { request, kind } of this.#core.step(event, this.process.nowMs)) {
      if (kind !== 'durable') this.#world.tally.add(`requests ${kind}`);
      this.#answers.get(request)?.(kind === 'durable' ? 202 : 503);
      this.#answers.delete(request);
    }
    this.#pump();
    this.#setTimer();
  }

  /** Hands out what can be handed out. What becomes known while it does is seen to afterwards, not in between. */
  #pump(): void {
    if (this.#isPumping) {
      this.#pumpAgain = true;
      return;
    }
    this.#isPumping = true;
    do {
      this.#pumpAgain = false;
      this.#fillLink();
      this.#fillSpool();
    } while (this.#pumpAgain);
    this.#isPumping = false;
  }

  #fillLink(): void {
    for (let link = this.#link; link !== undefined; link = this.#link) {
      const mayReplay = this.#spool !== undefined && this.#core.mayReplay;
      if (mayReplay && this.#liveInTurn >= livePerReplayed && this.#replay(link)) continue;
      const outgoing = this.#core.take(this.process.nowMs);
      if (outgoing === undefined) {
        if (!mayReplay || !this.#replay(link)) return;
        continue;
      }
      this.#liveInTurn++;
      if (outgoing.again) this.#world.tally.add('messages published again');
      const { origin, body } = outgoing;
      const generation = this.#generation;
      link.publish(origin, body, (kind) => {
        if (kind === 'returned') this.#returned(generation, origin);
        else this.#step({ kind, generation, slot: origin.slot, sequence: origin.sequence });
      });
    }
  }

  /** Publishes the next message of the spool; false if there is none. */
  #replay(link: BrokerLink): boolean {
    this.#liveInTurn = 0;
    const generation = this.#generation;
    const replay = this.#spool?.next(generation);
    if (replay === undefined) return false;
    this.#world.tally.add('messages replayed');
    link.publish(replay.origin, replay.body, (kind) => {
      if (kind === 'returned') this.#returned(generation, replay.origin);
      else this.#spool?.tell(kind, generation, replay);
      this.#pump();
    });
    return true;
  }

  /** Of this life and in the spool both are possible at once. */
  #returned(generation: number, origin: MessageOrigin): void {
    this.#spool?.returned(generation, origin);
    const { slot, sequence, producer } = origin;
    if (producer === this.#core.producer) this.#step({ kind: 'returned', generation, slot, sequence });
  }

  #fillSpool(): void {
    const spool = this.#spool;
    if (spool === undefined) return;
    const next = () => (spool.takesMore ? this.#core.takeForSpool(this.process.nowMs) : undefined);
    for (let outgoing = next(); outgoing !== undefined; outgoing = next()) {
      const { origin, body, acceptedAtMs, expiresAtMs } = outgoing;
      const { slot, sequence } = origin;
      spool.append({ origin, body, acceptedAtMs }, expiresAtMs, (isStored) =>
        this.#step({ kind: isStored ? 'spooled' : 'spool_declined', slot, sequence }),
      );
    }
  }

  #setTimer(): void {
    const atMs = this.#core.wakeAtMs;
    if (atMs >= this.#timerAtMs || atMs === Number.POSITIVE_INFINITY) return;
    this.#timerAtMs = atMs;
    // Whole milliseconds, as timers are: half a nanosecond early would be too early for ever.
    this.process.after(Math.max(0, Math.ceil(atMs - this.process.nowMs)), () => {
      // A later timer than the one that was set since.
      if (this.#timerAtMs !== atMs) return;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#step({ kind: 'ticked' });
    });
  }
}
