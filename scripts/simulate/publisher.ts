import { OutboxCore, type OutboxEvent } from '../../services/publisher/src/outbox/core.ts';
import { defaultLimits } from '../../services/publisher/src/outbox/limits.ts';
import type { PackedEvent } from '../../services/publisher/src/outbox/packing.ts';
import { slotOf } from '../../shared/event/lane.ts';
import { encodeEvent } from '../../shared/event/stored-event.ts';
import type { UsageEvent } from '../../shared/event/usage-event.ts';
import { BrokerClient } from './broker-client.ts';
import type { BrokerLink } from './broker-link.ts';
import type { ModelBroker } from './model-broker.ts';
import type { ModelRedis } from './model-redis.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

export type HttpStatus = 202 | 503;

/** One sidecar: the simulation's shell of the outbox core, what `services/publisher/src/outbox/outbox.ts` is in a real one. */
export class Publisher {
  readonly process: Process;
  readonly broker: BrokerClient;
  readonly #world: World;
  readonly #core: OutboxCore;
  readonly #wallClockMs: () => number;
  readonly #answers = new Map<number, (status: HttpStatus) => void>();
  #link: BrokerLink | undefined;
  #generation = 0;
  #lastRequest = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(world: World, broker: ModelBroker, redis: ModelRedis, process: Process, random: Random) {
    this.#world = world;
    this.process = process;
    const skewMs = random.between(-world.profile.clockSkewMs, world.profile.clockSkewMs);
    this.#wallClockMs = () => redis.nowMs + Math.round(skewMs);
    this.#core = new OutboxCore(
      { producer: process.name, source: 'simulation', region: '' },
      { ...defaultLimits, expiryMs: world.profile.publishExpiryMs, messageEventsMax: world.profile.messageEventsMax },
    );
    this.broker = new BrokerClient(world, broker, process, random.fork(), {
      connected: (link) => this.#connected(link),
      lost: () => {
        this.#link = undefined;
        this.#step({ kind: 'lost', generation: this.#generation });
      },
    });
  }

  /** POST /v1/events, once the request has arrived; `answer` may never be called. */
  submit(events: readonly UsageEvent[], answer: (status: HttpStatus) => void): void {
    const packed = events.map((event): PackedEvent => {
      const text = encodeEvent(event);
      return { slot: slotOf(event), text, bytes: Buffer.byteLength(text) };
    });
    const request = ++this.#lastRequest;
    this.#answers.set(request, answer);
    this.#step({ kind: 'submitted', request, events: packed, receivedAtMs: this.#wallClockMs() });
  }

  #connected(link: BrokerLink): void {
    this.#generation++;
    this.#link = link;
    this.#step({ kind: 'connected', generation: this.#generation });
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

  #pump(): void {
    for (let link = this.#link; link !== undefined; link = this.#link) {
      const outgoing = this.#core.take(this.process.nowMs);
      if (outgoing === undefined) return;
      if (outgoing.again) this.#world.tally.add('messages published again');
      const generation = this.#generation;
      const { slot, sequence } = outgoing.origin;
      link.publish(outgoing.origin, outgoing.body, (kind) => this.#step({ kind, generation, slot, sequence }));
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
