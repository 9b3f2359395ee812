import type { Client } from './client.ts';
import type { Consumer } from './shells/consumer.ts';
import type { Cluster } from './cluster.ts';
import type { Random } from './time/random.ts';
import type { World } from './models/world.ts';

/**
 * What a person does at the end of a day without faults: all consumers but one leave, there is some more usage, the last one leaves.
 * It has the time to seal, settle and ack what it was delivered, so nothing may be left (invariant 7).
 */
export class Epilogue {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #client: Client;
  readonly #random: Random;

  constructor(world: World, cluster: Cluster, client: Client, random: Random) {
    this.#world = world;
    this.#cluster = cluster;
    this.#client = client;
    this.#random = random;
  }

  /** Whether a drain of the last consumer has time enough that nothing excuses a rest. */
  get isFair(): boolean {
    const { name, drainMs, callTimeoutMs, leaseMs } = this.#world.profile;
    return (name === 'calm' || name === 'members') && drainMs > 3 * callTimeoutMs + leaseMs / 2 + 1_500;
  }

  run(done: () => void): void {
    const { timeline, profile } = this.#world;
    const [last, ...others] = this.#cluster.consumers;
    for (const consumer of others) consumer.leave();
    timeline.after(profile.drainMs + profile.leaseMs, () => {
      this.#client.post({ name: 'last request', atMs: timeline.nowMs, random: this.#random });
      const { brokerLatencyMs, syncMs, mailboxMs } = profile;
      timeline.after(4 * brokerLatencyMs + syncMs + 2 * mailboxMs + this.#random.between(50, 200), () => {
        // Somebody who left in the time of faults may have been replaced only now: then the last one is not the last.
        if (last === undefined || this.#cluster.consumers.length > 1) done();
        else this.#dismiss(last, done);
      });
    });
  }

  #dismiss(last: Consumer, done: () => void): void {
    const { checker, tally, timeline, profile } = this.#world;
    const { broker } = this.#cluster;
    const held = last.held;
    const ackedBefore = broker.acks;
    last.leave();
    timeline.after(profile.drainMs, () => {
      const left = held - (broker.acks - ackedBefore);
      if (left > 0 || last.process.isAlive) {
        checker.violation(
          `${last.process.name} was told to leave ${Math.round(profile.drainMs)} ms ago. It has left ${left} of the ${held} ` +
            `messages that it held to the next one${last.process.isAlive ? ', and is still there' : ''} (invariant 7).`,
        );
      }
      tally.add('last consumers drained');
      // What came while it left is for the next one.
      this.#cluster.addConsumer();
      done();
    });
  }
}
