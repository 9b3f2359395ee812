import { describe, expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { closeBooks, type Closing, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { endFaults, postEvents, tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

const customers = Array.from({ length: 40 }, (_, customer) => `cus_${customer}`);

function posted(round: number) {
  return customers.map((customer) => ({ id: `round-${round}`, customer, meter: 'tokens', value: round }));
}

function owedAfter(rounds: readonly number[]) {
  const value = rounds.reduce((sum, round) => sum + round, 0);
  return () => customers.map((customer) => owes(customer, 'tokens', value, rounds.length));
}

/** What is settled before Redis loses its data is not in the broker any more, so it is not billed again. */
async function settleRoundOne(stage: Stage): Promise<void> {
  await postEvents(pick(stage.cluster.publishers), ...posted(1));
  await untilBilled(stage, owedAfter([1]));
  await until(async () => expect(await gauge(stage, 'tallyman_consumer_messages_held')).toBe(0), patient);
}

async function gauge({ cluster }: Stage, name: string): Promise<number> {
  const all = await Promise.all(cluster.consumers.map((consumer) => consumer.metrics()));
  return all.reduce((sum, metrics) => sum + (metrics.sum(name) ?? Number.NaN), 0);
}

/** Every consumer stands still and says so; what is posted now waits in the broker; a person brings them back. */
async function haltAndRecover(stage: Stage): Promise<Closing> {
  const { consumers, publishers } = stage.cluster;
  const pids = consumers.map(({ pid }) => pid);
  await until(async () => expect(await gauge(stage, 'tallyman_consumer_halted')).toBe(consumers.length), patient);
  await until(async () => expect(await gauge(stage, 'tallyman_consumer_provider_in_flight')).toBe(0), patient);
  expect(await Promise.all(consumers.map((consumer) => consumer.isReady()))).not.toContain(true);

  // Stripe is well again and there is something to send, but nobody may send it.
  await endFaults(stage.simulatorUrl);
  const { calls } = await fetchLedger(stage.simulatorUrl, false);
  await postEvents(pick(publishers), ...posted(100));
  await expect(stage.run('recover')).rejects.toThrow(/tallyman recover --yes/);
  expect(await gauge(stage, 'tallyman_consumer_halted')).toBe(consumers.length);
  expect((await fetchLedger(stage.simulatorUrl, false)).calls).toBe(calls);

  await stage.run('recover', '--yes');
  await until(async () => expect(await gauge(stage, 'tallyman_consumer_halted')).toBe(0), patient);
  await untilBilled(stage, owedAfter([1, 10, 100]));
  expect(consumers.map(({ pid, exit }) => (exit === undefined ? pid : exit))).toEqual(pids);
  return closeBooks(stage, owedAfter([1, 10, 100]));
}

describe('a consumer that halts', { timeout: testTimeoutMs }, () => {
  it('stands still when Redis was emptied under it, and goes on without a restart after tallyman recover', async () => {
    const stage = await openStage({ consumers: 2, own: ['redis'] });
    await settleRoundOne(stage);
    // Committed, but not sent: Stripe fails.
    await tellSimulator(stage.simulatorUrl, 'faults', { kind: 'error' });
    await postEvents(pick(stage.cluster.publishers), ...posted(10));
    await until(
      async () => expect(await gauge(stage, 'tallyman_consumer_entries_pending')).toBe(customers.length),
      patient,
    );
    await stage.journal.flushall();
    expect(await haltAndRecover(stage)).toMatchObject(exact);
  });

  it('stands still when Redis comes back without its data, and goes on without a restart after tallyman recover', async () => {
    // Once, what a halted consumer held stayed with it for ever: its shards were told to hand over, and those whose write was
    // waiting to be repeated never did. So there are such writes here: the lease outlasts the outage.
    const stage = await openStage({ consumers: 2, own: ['redis'], consumer: { TALLYMAN_LEASE_MS: '10000' } });
    const publisher = pick(stage.cluster.publishers);
    await settleRoundOne(stage);
    const { consumers } = stage.cluster;
    // None of them may see Redis empty before it is away.
    for (const consumer of consumers) consumer.freeze();
    await stage.journal.flushall();
    await stage.redis.kill();
    for (const consumer of consumers) consumer.thaw();
    await postEvents(publisher, ...posted(10));
    await until(async () => {
      expect(await gauge(stage, 'tallyman_consumer_messages_held')).toBeGreaterThan(0);
      expect(await gauge(stage, 'tallyman_consumer_events_open')).toBe(0);
    }, patient);
    await stage.redis.start();
    expect(await haltAndRecover(stage)).toMatchObject(exact);
  });
});
