import type { Client } from './client.ts';
import type { Cluster } from './cluster.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

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
        if (last === undefined || this.#cluster.consumers.length > 1) {
          timeline.after(profile.settleMs, done);
          return;
        }
        last.leave();
        timeline.after(profile.drainMs, () => this.#look(done));
      });
    });
  }

  #look(done: () => void): void {
    const left = this.#cluster.broker.queues.reduce((sum, { ready, unacked }) => sum + ready + unacked, 0);
    const staying = this.#cluster.consumers.length;
    if (left > 0 || staying > 0) {
      this.#world.checker.violation(
        `The last consumer was told to leave ${Math.round(this.#world.profile.drainMs)} ms ago, and ` +
          `${left} messages wait for the next one (invariant 7).`,
      );
    }
    this.#world.tally.add('last consumers drained');
    done();
  }
}
