/**
 * The shell of a member with its shards, on a Redis, a broker and a clock that are the test's. Bugs in it passed every test: a lease
 * counted from its answer instead of from its request, a shard given back while its calls ran or before its channel had
 * closed, a topology that was gone and that no heartbeat noticed.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JournalFormatError, newestFormat } from '../../../../shared/journal/format.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { FakeBroker, type FakeChannel, type FakeSession, turns } from '../../../../shared/testing/fake-broker.ts';
import { FakeJournal } from '../../../../shared/testing/fake-journal.ts';
import type { CallSource } from '../dispatch/call.ts';
import { pass, useFakeClock } from '../shard/testing/test-runner.ts';
import { requestsCatalog, shardLimits, startRedisMs } from '../shard/testing/fixtures.ts';
import type { MemberPorts } from './member-ports.ts';
import { Member } from './member.ts';
import type { Heartbeat } from './membership.ts';
import { noTotals } from './stats.ts';

beforeEach(useFakeClock);
afterEach(() => void vi.useRealTimers());

const leaseMs = 10_000;
const incarnation = '0123456789abcdef0123456789abcdef';
const here = { incarnation, shards: 1 };

/** A member that is alone in a cluster of one shard. */
class TestCluster {
  readonly broker = new FakeBroker();
  readonly journal = new FakeJournal(() => startRedisMs + Math.floor(performance.now()));
  readonly sources = new Set<CallSource>();
  readonly halts: { readonly fault: string; readonly lost: boolean }[] = [];
  readonly member: Member;
  topology: Heartbeat['topology'] = here;
  members: readonly string[] = ['me'];
  /** Of the log. */
  readonly lines: string[] = [];
  readonly log = createLog({ service: 'test', level: 'info' }, { write: (line) => void this.lines.push(line) });
  readonly troubles = new Troubles(this.log);
  inFlight = 0;
  #session: FakeSession | undefined;

  constructor() {
    const { shard: _shard, incarnation: _incarnation, callTimeoutMs, drive: _drive, ...shard } = shardLimits();
    const options = {
      namespace: 'tallyman',
      shards: 1,
      incarnation,
      slots: Array.from({ length: 64 }, () => 0),
      leaseMs,
      drainMs: 2_000,
      callTimeoutMs,
      windowMs: 300_000,
      windowMaxMs: 300_000,
      shard,
    };
    const dispatcher = {
      add: (source: CallSource) => void this.sources.add(source),
      remove: (source: CallSource) => void this.sources.delete(source),
      wake: () => undefined,
      inFlightOf: () => this.inFlight,
    };
    const ports: Partial<MemberPorts> = {
      broker: this.broker.connection,
      membership: {
        heartbeat: async () => ({ members: this.members, topology: this.topology, format: newestFormat }),
        withdraw: async () => [],
        distrust: async () => undefined,
      },
      journalOf: () => this.journal.journal,
      dispatcher,
      troubles: this.troubles,
      log: this.log,
      catalog: () => requestsCatalog,
      needCatalog: () => undefined,
      parked: () => undefined,
      budgetPerS: () => 1_000,
      past: noTotals(),
      halted: (fault, lost) => void this.halts.push({ fault, lost }),
    };
    this.member = new Member('me', options, ports as MemberPorts);
    this.broker.onConnected((session) => this.member.brokerConnected(session));
  }

  start(): void {
    this.#session = this.broker.connect();
    this.member.start(undefined);
  }

  /** A member that owns the shard, with an open channel. */
  static async owning(): Promise<TestCluster> {
    const cluster = new TestCluster();
    cluster.start();
    await pass(1_000);
    if (!cluster.owns) throw new Error('The member does not own the shard.');
    return cluster;
  }

  get owns(): boolean {
    return [...this.member.shards.runners.values()].some(({ core }) => core.life === 'owned');
  }

  /** The shard's. */
  get channel(): FakeChannel {
    if (this.#session === undefined) throw new Error('There is no connection.');
    return this.#session.channel;
  }
}

describe('a lease', () => {
  it('lasts from when it was asked for, however late its answer is', async () => {
    const cluster = new TestCluster();
    cluster.journal.held.add('claim').add('renew');
    cluster.start();
    await pass(200);
    const claim = cluster.journal.last('claim');
    const overAtMs = claim.atMs + Number(claim.args[1]);
    await pass(4_000);
    claim.answer();
    // No renewal is answered. Redis gives the shard to another one when the lease is over there.
    await pass(overAtMs - 200 - performance.now());
    expect(cluster.owns).toBe(true);
    await pass(400);
    expect(cluster.owns).toBe(false);
  });

  it('is renewed from when the renewal was asked for', async () => {
    const cluster = await TestCluster.owning();
    const before = cluster.journal.named('renew').length;
    cluster.journal.held.add('renew').add('claim');
    while (cluster.journal.named('renew').length === before) await pass(50);
    const renewal = cluster.journal.last('renew');
    const overAtMs = renewal.atMs + Number(renewal.args[1]);
    await pass(3_000);
    renewal.answer();
    await pass(overAtMs - 200 - performance.now());
    expect(cluster.owns).toBe(true);
    await pass(400);
    expect(cluster.owns).toBe(false);
  });
});

describe('a shard', () => {
  it('is given back once its channel is closed, and not before', async () => {
    const cluster = await TestCluster.owning();
    const { channel } = cluster;
    channel.closesAtOnce = false;
    const left = cluster.member.leave();
    await pass(1_000);
    expect(channel.isClosing).toBe(true);
    expect(cluster.journal.named('release')).toEqual([]);
    channel.closed();
    await pass(1_000);
    expect(cluster.journal.named('release')).toHaveLength(1);
    await left;
  });

  it('is given back once its last call is over, and not before', async () => {
    const cluster = await TestCluster.owning();
    cluster.inFlight = 1;
    const left = cluster.member.leave();
    await pass(4_000);
    expect(cluster.sources.size).toBe(0);
    expect(cluster.journal.named('release')).toEqual([]);
    cluster.inFlight = 0;
    await pass(1_000);
    expect(cluster.journal.named('release')).toHaveLength(1);
    await left;
  });

  it('is not claimed again by its own member while calls of the old tenure run', async () => {
    const cluster = await TestCluster.owning();
    cluster.inFlight = 1;
    cluster.journal.held.add('renew').add('claim');
    await pass(leaseMs);
    expect(cluster.owns).toBe(false);
    cluster.journal.held.clear();
    const claims = cluster.journal.named('claim').length;
    await pass(2 * leaseMs);
    expect(cluster.journal.named('claim')).toHaveLength(claims);
    cluster.inFlight = 0;
    await pass(leaseMs);
    expect(cluster.owns).toBe(true);
  });
});

describe('the log', () => {
  it('says from whom a shard was taken, and why it was lost', async () => {
    const cluster = new TestCluster();
    cluster.journal.held.add('claim');
    cluster.start();
    await pass(200);
    cluster.journal.last('claim').answer({ granted: false, holder: 'somebody', remainingMs: 100 });
    await pass(200);
    cluster.journal.last('claim').answer();
    cluster.journal.held.clear();
    await pass(1_000);
    const lines = () => cluster.lines.filter((line) => line.includes('"shards"'));
    expect(lines()).toEqual([expect.stringMatching(/"from":"somebody".*Took over shards/)]);
    cluster.journal.held.add('renew').add('claim');
    await pass(leaseMs);
    expect(lines().slice(1)).toEqual([expect.stringMatching(/"shards":\[0\],"reason":"lease_expired".*Lost shards/)]);
  });
});

// Redis was well and refused nothing, so nothing said why no usage was billed: the claims failed at debug level only.
describe('a journal in a format that this version does not read', () => {
  const unreadable = new JournalFormatError('The journal of shard 0', 9);
  const told = (cluster: TestCluster): string[] => cluster.lines.filter((line) => line.includes('"journal_format"'));

  it.each(['claim', 'load'])('is told once a minute from its %s on, and when it can be read', async (name) => {
    const cluster = new TestCluster();
    cluster.journal.failsWith.set(name, unreadable);
    cluster.start();
    await pass(30_000);
    expect(cluster.owns).toBe(false);
    expect(told(cluster)).toEqual([
      expect.stringMatching(
        /"level":"error".*"of":\["shard 0"\].*is in format 9.*does not read: their usage is not billed/,
      ),
    ]);
    expect(cluster.troubles.remarks).toEqual([expect.stringMatching(/^Journals are in a format .*is in format 9/)]);
    expect(cluster.member.unreadableJournals.count).toBe(1);
    await pass(60_000);
    expect(told(cluster)).toHaveLength(2);
    cluster.journal.failsWith.clear();
    await pass(20_000);
    expect(cluster.owns).toBe(true);
    expect(told(cluster)).toEqual([
      expect.anything(),
      expect.anything(),
      expect.stringMatching(/"level":"info".*No journal is in a format/),
    ]);
    expect([cluster.troubles.remarks, cluster.member.unreadableJournals.count]).toEqual([[], 0]);
  });

  it("is not this member's any more when it is not met again, or the member is no more", async () => {
    const cluster = new TestCluster();
    cluster.journal.failsWith.set('claim', unreadable);
    cluster.start();
    await pass(1_000);
    expect(cluster.troubles.remarks).toHaveLength(1);
    cluster.members = ['other'];
    await pass(20_000);
    expect(cluster.troubles.remarks).toEqual([]);
    cluster.members = ['me'];
    await pass(5_000);
    expect(cluster.troubles.remarks).toHaveLength(1);
    await cluster.member.abandon();
    expect(cluster.troubles.remarks).toEqual([]);
  });
});

describe('a heartbeat', () => {
  it.each([
    { what: 'Redis has no topology any more', topology: undefined, says: 'is gone' },
    { what: 'its incarnation is another one', topology: { incarnation: 'other', shards: 1 }, says: 'is other' },
    { what: 'the number of shards is another one', topology: { incarnation, shards: 2 }, says: 'has 2 now' },
  ])('stops the member when $what', async ({ topology, says }) => {
    const cluster = await TestCluster.owning();
    expect(cluster.halts).toEqual([]);
    cluster.topology = topology;
    await pass(leaseMs);
    expect(cluster.halts[0]?.fault).toContain(says);
  });
});

it('writes nothing more and says nothing more once it is abandoned, and waits for its calls', async () => {
  const cluster = await TestCluster.owning();
  cluster.inFlight = 1;
  let isOver = false;
  const over = cluster.member.abandon().then(() => (isOver = true));
  const requests = cluster.journal.requests.length;
  expect(cluster.channel.isClosing).toBe(true);
  await pass(2 * leaseMs);
  expect(cluster.journal.requests).toHaveLength(requests);
  expect(isOver).toBe(false);
  cluster.inFlight = 0;
  await pass(100);
  await turns();
  await over;
  expect(isOver).toBe(true);
});
