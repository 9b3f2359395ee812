import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerSession } from '../../../../shared/amqp/connection.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Troubles } from '../../../../shared/log/troubles.ts';
import { type Topology, topologyName } from '../../../../shared/topology/record.ts';
import { distrust } from './distrust.ts';
import type { MemberPorts } from './member-ports.ts';
import type { Member } from './member.ts';
import type { Membership } from './membership.ts';

/** `halted` keeps its name until there is another member: a cluster that is not joined yet has not been recovered. */
type State =
  | { readonly mode: 'joining' }
  | { readonly mode: 'member'; readonly member: Member }
  | { readonly mode: 'halted'; readonly fault: string };

export interface MemberLivesPorts {
  readonly membership: Membership;
  /** The topology, once broker and Redis agree on it. */
  readonly untilTopology: () => Promise<Topology>;
  /** Resolves once the provider's meters and the key allow joining; calls `waits` if that takes longer than a moment. */
  readonly untilJoinable: (waits: () => void) => Promise<void>;
  /** A new member, which is not started yet. */
  readonly create: (topology: Topology, halted: MemberPorts['halted']) => Member;
  /** The broker connection that is up, if any. */
  readonly session: () => BrokerSession | undefined;
  readonly troubles: Troubles;
  readonly log: Logger;
  /** Nothing can go on after this error. */
  readonly fail: (error: unknown) => void;
  readonly signal: AbortSignal;
}

const haltedPollMs = 5_000;

/**
 * A consumer's lives in the cluster, one after the other:
 *
 *   joining ──topology verified, provider ready──▶ member ──Redis contradicts what it knows──▶ halted
 *                                                    ▲────────another topology, joined────────┘
 *
 * While it is halted nothing is written and nothing is sent: it stands still until a person has run `tallyman recover`, then it
 * goes on as a new member.
 */
export class MemberLives {
  readonly #ports: MemberLivesPorts;
  #state: State = { mode: 'joining' };
  /** All was there but the provider's list of meters, or its yes to the key, and it has not joined since. */
  #awaitsProvider = false;

  constructor(ports: MemberLivesPorts) {
    this.#ports = ports;
  }

  get member(): Member | undefined {
    return this.#state.mode === 'member' ? this.#state.member : undefined;
  }

  get haltedFor(): string | undefined {
    return this.#state.mode === 'halted' ? this.#state.fault : undefined;
  }

  /** Whether the provider alone kept it out when it last tried to join, and it has not been a member since. */
  get awaitsProvider(): boolean {
    if (this.member?.isMember === true) this.#awaitsProvider = false;
    return this.#awaitsProvider;
  }

  /** Becomes a member, as soon as the topology is verified and the meters are known. */
  async join(): Promise<void> {
    const { untilTopology, untilJoinable, create, session, log, signal } = this.#ports;
    let topology = await untilTopology();
    await untilJoinable(() => {
      this.#awaitsProvider = true;
    });
    // A person may have changed it in that time.
    if (this.#awaitsProvider) topology = await untilTopology();
    signal.throwIfAborted();
    const member = create(topology, (fault, lost) => void this.#halt(member, topology, fault, lost));
    this.#state = { mode: 'member', member };
    member.start(session());
    log.info({ member: member.name, incarnation: topology.incarnation }, 'Joined the cluster.');
  }

  /** Drains what is owned, if anything, and leaves the cluster. */
  async leave(): Promise<void> {
    await this.member?.leave();
  }

  async #halt(member: Member, before: Topology, fault: string, lost: boolean): Promise<void> {
    if (this.member !== member) return;
    this.#state = { mode: 'halted', fault };
    const { membership, troubles, fail, signal } = this.#ports;
    const callsOver = member.abandon();
    try {
      // Who has not seen what Redis has lost would take this member's shards, and bill what it has sent already.
      const told = lost ? distrust(membership, before.incarnation, troubles, signal) : undefined;
      await this.#untilRecovered(before, fault);
      await Promise.all([told, callsOver]);
      troubles.over('halted', 'The cluster was recovered: this consumer joins it again.');
      await this.join();
    } catch (error) {
      if (!signal.aborted) fail(error);
    }
  }

  async #untilRecovered(before: Topology, fault: string): Promise<void> {
    const { troubles, untilTopology, signal } = this.#ports;
    for (;;) {
      troubles.tell({
        reason: 'halted',
        level: 'error',
        message:
          'Halted: Redis contradicts what this consumer has seen. No usage is lost or sent; a person has to act.',
        fields: { fault },
        remark: fault,
      });
      if (topologyName(await untilTopology()) !== topologyName(before)) return;
      await sleep(haltedPollMs, undefined, { signal });
    }
  }
}
