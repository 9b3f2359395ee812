import { setTimeout as lasts } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import type { RunningService } from '../../../lab/cluster/service.ts';
import { closeBooks, type Closing, exact } from '../stage/books.ts';
import { durations, patient, testTimeoutMs } from '../stage/durations.ts';
import { sendFor } from '../stage/traffic.ts';
import { tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, type Stage } from '../stage/stage.ts';

const cluster = { publishers: 2, consumers: 2 } as const;
/** Before and after the outage. */
const calmMs = 3_000;

/**
 * Under load: waits until usage is billed, lets `outage` happen, and ends in the audit. Nobody restarts a process: at the end
 * each is the one that was there at the beginning.
 */
async function survive(stage: Stage, outageMs: number, outage: () => Promise<void>): Promise<Closing> {
  const before = pids(stage.services());
  const load = sendFor(stage, calmMs + outageMs + calmMs);
  await until(async () => expect((await fetchLedger(stage.simulatorUrl, false)).events).toBeGreaterThan(0), patient);

  await outage();
  expect(load.progress.sent, 'the load must last longer than the outage').toBeLessThan(load.events);

  const sent = await load.finished;
  await until(() => readiness(stage).then((ready) => expect(ready).not.toContain(false)), patient);
  expect(pids(stage.services())).toEqual(before);
  return closeBooks(stage, sent.owed);
}

/** One line says from when to when it was away, and how much is late for it. */
async function expectTold({ cluster: { consumers } }: Stage, pillar: string): Promise<void> {
  const logs = await Promise.all(consumers.map((consumer) => consumer.lastLines(1_000)));
  expect(logs.join('\n')).toMatch(new RegExp(`"pillar":"${pillar}".*"late":".*An outage is over`));
}

function pids(services: readonly RunningService[]): Readonly<Record<string, number>> {
  return Object.fromEntries(services.map(({ name, pid }) => [name, pid]));
}

function readiness(stage: Stage): Promise<readonly boolean[]> {
  return Promise.all(stage.services().map((service) => service.isReady()));
}

describe('under load', { timeout: testTimeoutMs }, () => {
  it('loses and doubles nothing while the broker is away, and goes on by itself', async () => {
    // With a spool the sidecars stay ready: spool.integration.test.ts.
    const stage = await openStage({ ...cluster, own: ['broker'], publisher: { TALLYMAN_SPOOL_BYTES: '0' } });
    const closing = await survive(stage, durations.brokerAwayMs, async () => {
      await stage.broker.kill();
      await until(async () => expect(await readiness(stage)).not.toContain(true), patient);
      await lasts(durations.brokerAwayMs);
      await stage.broker.start();
    });
    expect(closing).toMatchObject(exact);
    await expectTold(stage, 'the broker');
  });

  it('loses and doubles nothing while Redis is away, and goes on by itself', async () => {
    const stage = await openStage({ ...cluster, own: ['redis'] });
    const closing = await survive(stage, durations.redisAwayMs, async () => {
      await stage.redis.kill();
      await until(async () => {
        const ready = await Promise.all(stage.cluster.consumers.map((consumer) => consumer.isReady()));
        expect(ready).not.toContain(true);
      }, patient);
      await lasts(durations.redisAwayMs);
      await stage.redis.start();
    });
    expect(closing).toMatchObject(exact);
    await expectTold(stage, 'Redis');
  });

  it('loses and doubles nothing while Stripe answers 500, whether or not it has counted, and goes on by itself', async () => {
    const stage = await openStage(cluster);
    const closing = await survive(stage, durations.providerFailsMs, async () => {
      const durationMs = durations.providerFailsMs;
      await tellSimulator(stage.simulatorUrl, 'faults', [
        { kind: 'error-after', rate: 1, durationMs },
        { kind: 'error', rate: 0.5, durationMs },
      ]);
      const failingAt = performance.now();
      await until(
        async () => {
          const [open] = await Promise.all(
            stage.cluster.consumers.map(async (consumer) =>
              (await consumer.metrics()).sum('tallyman_consumer_breaker_state', { state: 'open' }),
            ),
          );
          expect(open).toBe(1);
        },
        { deadlineMs: durationMs },
      );
      expect(await readiness(stage), 'the state of Stripe never changes readiness').not.toContain(false);
      await lasts(durationMs - (performance.now() - failingAt));
    });
    expect(closing).toMatchObject(exact);
    await expectTold(stage, 'the billing provider');
    expect(closing.ledger.duplicates, 'what was counted and answered 500 is sent again').toBeGreaterThan(0);
  });
});
