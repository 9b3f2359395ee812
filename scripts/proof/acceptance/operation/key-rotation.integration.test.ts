import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { closeBooks, exact } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { tellSimulator } from '../../../lab/cluster/requests.ts';
import { openStage, type Stage } from '../stage/stage.ts';
import { sendFor } from '../stage/traffic.ts';

async function breakerIs(stage: Stage, state: string): Promise<void> {
  const states = await Promise.all(
    stage.cluster.consumers.map(async (consumer) =>
      (await consumer.metrics()).sum('tallyman_consumer_breaker_state', { state }),
    ),
  );
  expect(states).toEqual(states.map(() => 1));
}

describe("Stripe's key", { timeout: testTimeoutMs }, () => {
  it('is taken from its file when it was rotated under load: nothing lost, nothing doubled, no restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tallyman-key-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'stripe-key');
    await writeFile(file, 'sk_live_old\n');
    const stage = await openStage({ consumers: 2, consumer: { STRIPE_API_KEY: '', STRIPE_API_KEY_FILE: file } });
    const pids = stage.services().map(({ pid }) => pid);
    const load = sendFor(stage, 9_000);
    await until(async () => expect((await fetchLedger(stage.simulatorUrl, false)).events).toBeGreaterThan(0), patient);

    await tellSimulator(stage.simulatorUrl, 'world', { revokedKeys: ['sk_live_old'] });
    await until(() => breakerIs(stage, 'open'), patient);
    const { events: billedBefore } = await fetchLedger(stage.simulatorUrl, false);
    for (const consumer of stage.cluster.consumers) {
      expect(await consumer.isReady(), 'the state of Stripe never changes readiness').toBe(true);
      expect(await consumer.lastLines(50)).toContain('does not accept the credential');
      const answer = await fetch(`${consumer.url}/readyz`);
      expect(await answer.json()).toMatchObject({ ready: true, remarks: [expect.stringContaining('credential')] });
    }
    expect(load.progress.sent, 'the load must last longer than the old key').toBeLessThan(load.events);

    await writeFile(file, 'sk_live_new\n');
    const rotatedAt = performance.now();
    await until(() => breakerIs(stage, 'closed'), patient);
    console.log(`calls go on ${Math.round(performance.now() - rotatedAt)} ms after the key was rotated`);
    const sent = await load.finished;
    const closing = await closeBooks(stage, sent.owed);
    expect(closing).toMatchObject(exact);
    expect(closing.ledger.events).toBeGreaterThan(billedBefore);
    expect([...stage.cluster.publishers, ...stage.cluster.consumers].map(({ pid }) => pid)).toEqual(pids);
  });
});
