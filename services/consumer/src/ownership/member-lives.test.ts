import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import type { Topology } from '../../../../shared/topology/record.ts';
import { MemberLives } from './member-lives.ts';
import type { Member } from './member.ts';

// The clock of the test stands still for timers, not for promises of them.
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms)),
}));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);

/** A member that only says what became of it. `callsOver`: its calls are. */
class FakeMember {
  isMember = false;
  isStarted = false;
  isAbandoned = false;
  hasLeft = false;
  readonly callsOver = Promise.withResolvers<void>();
  readonly name: string;
  readonly incarnation: string;
  readonly halt: (fault: string, lost: boolean) => void;

  constructor(name: string, incarnation: string, halt: (fault: string, lost: boolean) => void) {
    this.name = name;
    this.incarnation = incarnation;
    this.halt = halt;
  }

  start(): void {
    this.isStarted = true;
  }

  async leave(): Promise<void> {
    this.hasLeft = true;
  }

  abandon(): Promise<void> {
    this.isAbandoned = true;
    return this.callsOver.promise;
  }
}

class Cluster {
  readonly stopping = new AbortController();
  readonly members: FakeMember[] = [];
  readonly distrusted: string[] = [];
  readonly failures: unknown[] = [];
  readonly troubles: Troubles;
  incarnation = 'first';
  /** What a look at the topology does beside answering it. */
  looked: () => void = () => undefined;
  joinable: (waits: () => void) => Promise<void> = async () => undefined;
  readonly lives: MemberLives;

  constructor() {
    const log = createLog({ service: 'test', level: 'silent' });
    this.troubles = new Troubles(log);
    this.lives = new MemberLives({
      membership: {
        heartbeat: expect.unreachable,
        withdraw: expect.unreachable,
        distrust: async (incarnation) => void this.distrusted.push(incarnation),
      },
      session: () => undefined,
      untilTopology: async () => {
        this.looked();
        return { incarnation: this.incarnation, shards: 16 } as Topology;
      },
      untilJoinable: (waits) => this.joinable(waits),
      create: ({ incarnation }, halted) => {
        const member = new FakeMember(`member ${this.members.length + 1}`, incarnation, halted);
        this.members.push(member);
        return member as unknown as Member;
      },
      troubles: this.troubles,
      log,
      fail: (error) => void this.failures.push(error),
      signal: this.stopping.signal,
    });
  }

  get last(): FakeMember {
    const member = this.members.at(-1);
    if (member === undefined) throw new Error('There is no member.');
    return member;
  }

  async joined(): Promise<FakeMember> {
    await this.lives.join();
    return this.last;
  }
}

describe("a consumer's lives in the cluster", () => {
  it('halts at once, and joins as another member once the topology is another one and its calls are over', async () => {
    const cluster = new Cluster();
    const first = await cluster.joined();
    first.halt('Redis is not what it was.', true);
    expect([first.isAbandoned, cluster.lives.member, cluster.lives.haltedFor]).toEqual([
      true,
      undefined,
      'Redis is not what it was.',
    ]);
    await settle();
    expect(cluster.troubles.remarks).toContain('Redis is not what it was.');
    expect(cluster.distrusted).toEqual(['first']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(cluster.members).toHaveLength(1);
    cluster.incarnation = 'second';
    await vi.advanceTimersByTimeAsync(5_000);
    // A call of the first one could share a lane with those of the second.
    expect(cluster.members).toHaveLength(1);
    first.callsOver.resolve();
    await settle();
    expect(cluster.last).toMatchObject({ name: 'member 2', incarnation: 'second', isStarted: true });
    expect([cluster.lives.member, cluster.lives.haltedFor]).toEqual([cluster.last, undefined]);
    expect([cluster.troubles.remarks, cluster.failures]).toEqual([[], []]);
  });

  it('tells the others only when Redis has lost writes', async () => {
    const cluster = new Cluster();
    (await cluster.joined()).halt('There are 8 shards.', false);
    await settle();
    expect(cluster.distrusted).toEqual([]);
  });

  it('halts a member once, and none that was replaced', async () => {
    const cluster = new Cluster();
    const first = await cluster.joined();
    first.callsOver.resolve();
    first.halt('first', true);
    first.halt('again', true);
    expect(cluster.lives.haltedFor).toBe('first');
    cluster.incarnation = 'second';
    await vi.advanceTimersByTimeAsync(5_000);
    first.halt('late', true);
    expect(cluster.lives.member).toBe(cluster.last);
    expect(cluster.last.name).toBe('member 2');
  });

  it('looks at the topology again when the provider kept it waiting, which it says until it is a member', async () => {
    const cluster = new Cluster();
    const provider = Promise.withResolvers<void>();
    cluster.joinable = (waits) => {
      waits();
      return provider.promise;
    };
    const joining = cluster.lives.join();
    await settle();
    expect([cluster.lives.awaitsProvider, cluster.members]).toEqual([true, []]);
    cluster.incarnation = 'second';
    provider.resolve();
    await joining;
    expect([cluster.last.incarnation, cluster.lives.awaitsProvider]).toEqual(['second', true]);
    cluster.last.isMember = true;
    expect(cluster.lives.awaitsProvider).toBe(false);
    cluster.last.isMember = false;
    expect(cluster.lives.awaitsProvider).toBe(false);
  });

  it('ends the process when a halted consumer cannot go on, and stops quietly when it is told to', async () => {
    for (const isStopping of [false, true]) {
      const cluster = new Cluster();
      const first = await cluster.joined();
      const broken = new Error('The topology has 8 shards.');
      cluster.looked = () => {
        if (isStopping) cluster.stopping.abort();
        throw broken;
      };
      first.halt('fault', false);
      await settle();
      expect(cluster.failures).toEqual(isStopping ? [] : [broken]);
    }
  });

  it('joins no cluster any more once it is stopped, and leaves the one it is in', async () => {
    const cluster = new Cluster();
    const member = await cluster.joined();
    await cluster.lives.leave();
    expect(member.hasLeft).toBe(true);
    const stopped = new Cluster();
    stopped.stopping.abort();
    await expect(stopped.lives.join()).rejects.toThrow();
    expect(stopped.members).toEqual([]);
    await expect(stopped.lives.leave()).resolves.toBeUndefined();
  });
});
