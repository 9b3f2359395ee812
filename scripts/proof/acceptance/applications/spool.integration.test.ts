import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as lasts } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import { fetchLedger } from '../../../lab/audit.ts';
import { startLoad } from '../../../lab/load/load.ts';
import { closeBooks, exact } from '../stage/books.ts';
import { durations, testTimeoutMs } from '../stage/durations.ts';
import { openStage } from '../stage/stage.ts';

/** Before the broker goes and after it has come; and what a restart may take, which the load makes up for. */
const calmMs = 3_000;
const restartMs = 4_000;
const { brokerAwayMs, ratePerS, kills } = durations.spool;

it(
  'answers no 503 while the broker is away and its sidecar is killed meanwhile, and bills everything once in the end',
  async () => {
    const stage = await openStage({ own: ['broker'] });
    const { publishers } = stage.cluster;
    const [sidecar] = publishers;
    if (sidecar === undefined) throw new Error('a stage has a sidecar');
    const events = Math.round(((calmMs + brokerAwayMs + kills * restartMs + calmMs) / 1_000) * ratePerS);
    const load = startLoad({ targets: [sidecar.url], events, customers: 500, ratePerS, batch: 20, inFlight: 32 });
    load.finished.catch(() => undefined);
    onTestFinished(() => load.stop());
    const refused = async (): Promise<number> =>
      (await sidecar.metrics()).sum('tallyman_publisher_requests_total', { status: '503' }) ?? 0;

    await until(async () => expect((await fetchLedger(stage.simulatorUrl, false)).events).toBeGreaterThan(0), {
      deadlineMs: durations.patienceMs,
    });
    await stage.broker.kill();
    for (let count = 0; count < kills; count++) {
      await lasts(brokerAwayMs / (kills + 1));
      expect(await refused(), `503s before SIGKILL ${count + 1}`).toBe(0);
      const before = load.progress.durable;
      await sidecar.kill();
      await sidecar.restart();
      await until(() => expect(load.progress.durable).toBeGreaterThan(before), { deadlineMs: durations.patienceMs });
    }
    await lasts(brokerAwayMs / (kills + 1));
    expect(load.progress.sent, 'the load must last longer than the outage').toBeLessThan(events);
    expect(await refused(), '503s at the end of the outage').toBe(0);
    expect((await sidecar.metrics()).sum('tallyman_publisher_spool_records')).toBeGreaterThan(0);
    // Where the sidecar was started, and not where its code is.
    expect(existsSync(join(stage.nursery.folder, sidecar.name, 'spool'))).toBe(true);

    await stage.broker.start();
    const sent = await load.finished;
    await until(async () => expect((await sidecar.metrics()).sum('tallyman_publisher_spool_records')).toBe(0), {
      deadlineMs: durations.patienceMs,
    });
    expect(await refused(), '503s after the outage').toBe(0);
    expect(await closeBooks(stage, sent.owed)).toMatchObject(exact);
  },
  testTimeoutMs,
);
