import type { BrokerSession } from '../../../../shared/amqp/connection.ts';
import { type JournalFormat, oldestFormat } from '../../../../shared/journal/format.ts';
import type { ShardJournal } from '../../../../shared/journal/journal.ts';
import type { OwnershipEffect, OwnershipEvent } from './protocol.ts';
import { OwnershipCore } from './core.ts';
import type { MemberOptions, MemberPorts } from './member-ports.ts';
import type { Heartbeat } from './membership.ts';
import { OwnedShards } from './owned-shards.ts';
import { OwnershipLog } from './ownership-log.ts';
import { UnreadableJournals } from './unreadable-journals.ts';
import { counted } from '../../../../shared/log/troubles.ts';

const lostWrites = 'Redis has lost writes. What is in the broker is safe and waits; run tallyman recover.';
const tickMs = 20;

/**
 * This consumer as a member of the cluster: the shell of the ownership core. It keeps heartbeats and leases; the shards
 * that it owns run apart (owned-shards.ts). One life: a member that has halted or left is replaced by a new one.
 */
export class Member {
  readonly name: string;
  readonly shards: OwnedShards;
  readonly unreadableJournals: UnreadableJournals;
  readonly #options: MemberOptions;
  readonly #ports: MemberPorts;
  readonly #core: OwnershipCore;
  readonly #ownershipLog: OwnershipLog;
  readonly #journals = new Map<number, ShardJournal>();
  #session: BrokerSession | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #finished: (() => void) | undefined;
  #over = false;
  /** In which the cluster writes its journals, as far as heartbeats told. */
  #format: JournalFormat = oldestFormat;
  #hasAskedFormat = false;

  constructor(name: string, options: MemberOptions, ports: MemberPorts) {
    this.name = name;
    this.#options = options;
    this.#ports = ports;
    this.#core = new OwnershipCore({ ...options, member: name });
    this.#ownershipLog = new OwnershipLog(ports.log);
    this.unreadableJournals = new UnreadableJournals(ports.troubles);
    this.shards = new OwnedShards(options, {
      ...ports,
      unreadableJournals: this.unreadableJournals,
      ownershipLog: this.#ownershipLog,
      session: () => this.#session,
      ended: (shard, reason, next) => this.#post({ type: 'shard_ended', shard, reason, next }),
    });
  }

  get isMember(): boolean {
    return this.#core.isMember;
  }

  get members(): readonly string[] {
    return this.#core.members;
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
    this.shards.connected();
  }

  brokerLost(): void {
    this.#session = undefined;
    this.#post({ type: 'broker_changed', connected: false });
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
    this.unreadableJournals.allLeft();
    await this.shards.abandon();
  }

  #tick(): void {
    this.#post({ type: 'ticked' });
    this.unreadableJournals.tick();
    this.shards.tick();
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
        this.shards.start(effect.shard, effect.epoch, effect.deadlineMs, this.#journalOf(effect.shard));
        break;
      case 'lease_renewed':
      case 'lease_lost':
      case 'hand_over':
      case 'drain':
        this.shards.post(effect);
        break;
      case 'halt':
        this.#ports.halted(`Shard ${effect.shard}: ${effect.reason}. ${lostWrites}`, true);
        break;
      case 'finished':
        clearInterval(this.#ticker);
        this.#ownershipLog.flush();
        this.#finished?.();
        break;
    }
  }

  async #heartbeat(ttlMs: number): Promise<void> {
    try {
      const { members, topology, format } = await this.#ports.membership.heartbeat(this.name, ttlMs);
      this.#formatIs(format);
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

  #formatIs(format: JournalFormat): void {
    const isFirst = !this.#hasAskedFormat;
    this.#hasAskedFormat = true;
    // A heartbeat that was answered late tells an older one.
    if (format <= this.#format) return;
    this.#format = format;
    // The format that a member finds at its start is no news.
    this.#ports.log[isFirst ? 'debug' : 'info'](
      { format },
      'Journals are written in this format from now on. A version that does not read it cannot join the cluster any more.',
    );
  }

  #contradiction(now: Heartbeat['topology']): string | undefined {
    const { incarnation, shards } = this.#options;
    if (now?.incarnation !== incarnation) {
      return `The topology's incarnation was ${incarnation} and is ${now?.incarnation ?? 'gone'}. ${lostWrites}`;
    }
    if (now.shards === shards) return undefined;
    return (
      `The cluster had ${counted(shards, 'shard')} and has ${now.shards} now. This consumer counts nothing any more; its usage is with the ` +
      `others. Start it again with TALLYMAN_SHARDS=${now.shards}.`
    );
  }

  async #claim(shard: number, ttlMs: number): Promise<void> {
    const askedAtMs = performance.now();
    try {
      const answer = await this.#journalOf(shard).claim(this.name, ttlMs);
      const nowMs = performance.now();
      if (answer.granted) this.#ownershipLog.claimGranted(shard, nowMs);
      else this.#ownershipLog.claimRefused(shard, answer.holder, answer.remainingMs, nowMs);
      this.unreadableJournals.gone(shard);
      this.#post({ type: 'claim_answered', shard, answer, askedAtMs });
    } catch (error) {
      this.#notAnswered(error, shard, 'A claim was not answered.');
      this.#post({ type: 'claim_answered', shard, answer: undefined, askedAtMs });
    }
  }

  async #renew(shard: number, epoch: number, ttlMs: number): Promise<void> {
    const askedAtMs = performance.now();
    try {
      const answer = await this.#journalOf(shard).renew(epoch, ttlMs);
      this.#post({ type: 'renew_answered', shard, epoch, answer, askedAtMs });
    } catch (error) {
      this.#notAnswered(error, shard, 'A lease was not renewed.');
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

  /** Redis that is away or refuses is told of by whoever is connected to it. */
  #notAnswered(error: unknown, shard: number, what: string): void {
    if (this.#over || !this.unreadableJournals.failed(shard, error)) this.#ports.log.debug({ error, shard }, what);
  }

  #journalOf(shard: number): ShardJournal {
    let journal = this.#journals.get(shard);
    if (journal === undefined) {
      journal = this.#ports.journalOf(shard, () => this.#format);
      this.#journals.set(shard, journal);
    }
    return journal;
  }
}
