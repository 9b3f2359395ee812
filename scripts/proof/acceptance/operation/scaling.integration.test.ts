/** Scaling and upgrading as an orchestrator does it: consumers come and go, everything is replaced one by one, and usage goes on. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as lasts } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../../../shared/testing/until.ts';
import type { RunningService } from '../../../lab/cluster/service.ts';
import type { Sent } from '../../../lab/load/load.ts';
import { closeBooks, exact } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { leaseHolders } from '../stage/leases.ts';
import { leaseMs, openStage, pick, type Stage } from '../stage/stage.ts';
import { sendFor } from '../stage/traffic.ts';

const root = resolve(import.meta.dirname, '../../../..');
/** Ended as soon as what happens under it is over. */
const longestLoadMs = 180_000;
/** Every process of the cluster starts and ends on this machine meanwhile, which slows all of them; a stop would last for good. */
const silenceMaxMs = 8_000;
const watchful = { ...patient, intervalMs: 20 };

const clean = { code: 0, signal: null };

/** Shards of the one that holds most, less those of the one that holds least; undefined while a shard is on its way. */
async function imbalance(stage: Stage): Promise<number | undefined> {
  const living = stage.cluster.consumers.flatMap(({ pid, exit }) => (exit === undefined ? [pid] : []));
  const holders = await leaseHolders(stage);
  if (holders.some((holder) => holder === undefined || !living.includes(holder))) return undefined;
  const held = living.map((pid) => holders.filter((holder) => holder === pid).length);
  return Math.max(...held) - Math.min(...held);
}

/** Resolves once the shards are spread evenly; from then on, for as long as a lease, they have to stay so. */
async function untilEven(stage: Stage): Promise<void> {
  await until(async () => expect(await imbalance(stage)).toBeLessThanOrEqual(1), watchful);
  for (const since = performance.now(); performance.now() - since < leaseMs; await lasts(watchful.intervalMs))
    expect(await imbalance(stage), 'the spread lasts').toBeLessThanOrEqual(1);
}

interface Intake {
  /** Ends the load. Resolves with what was sent, and the longest time in which no event was answered 202. */
  readonly end: () => Promise<{ readonly sent: Sent; readonly longestSilenceMs: number }>;
}

/** Begins a load, and watches that its events are answered 202 all the time. */
async function startIntake(stage: Stage): Promise<Intake> {
  const load = sendFor(stage, longestLoadMs);
  await until(() => load.progress.durable > 0, patient);
  let [durable, movedAt, longestSilenceMs] = [load.progress.durable, performance.now(), 0];
  const watching = setInterval(() => {
    const now = performance.now();
    longestSilenceMs = Math.max(longestSilenceMs, now - movedAt);
    if (load.progress.durable !== durable) [durable, movedAt] = [load.progress.durable, now];
  }, 50);
  onTestFinished(() => clearInterval(watching));
  return {
    async end() {
      clearInterval(watching);
      expect(load.progress.durable, 'the load lasted until now').toBeLessThan(load.events);
      load.end();
      return { sent: await load.finished, longestSilenceMs };
    },
  };
}

/** Resolves with the books, once all that was sent is billed. */
async function closeAfter(intake: Intake, stage: Stage): ReturnType<typeof closeBooks> {
  const { sent, longestSilenceMs } = await intake.end();
  console.log(`the longest time without a 202 was ${Math.round(longestSilenceMs)} ms`);
  expect(longestSilenceMs).toBeLessThan(silenceMaxMs);
  return closeBooks(stage, sent.owed);
}

/** Drains one and starts it again, with other code if told so. */
async function replace(service: RunningService, project?: string): Promise<void> {
  expect(await service.drain(), service.name).toEqual(clean);
  await service.restart(project);
}

/** The code as of the commit before this one, with this one's packages; undefined where that cannot be had. */
function previousCode(): string | undefined {
  const archive = spawnSync('git', ['archive', 'HEAD~1', 'services', 'shared', 'package.json'], {
    cwd: root,
    maxBuffer: 256 * 1024 ** 2,
  });
  if (archive.status !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-previous-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  execFileSync('tar', ['-x', '-C', folder], { input: archive.stdout });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

describe('under load', { timeout: testTimeoutMs }, () => {
  it('scales from one consumer to four and back to two: shards move evenly, intake never stops, nothing is lost', async () => {
    const stage = await openStage({ publishers: 2, consumers: 1 });
    await untilEven(stage);
    const intake = await startIntake(stage);

    for (let consumers = 2; consumers <= 4; consumers++) {
      await stage.cluster.addConsumer();
      await untilEven(stage);
    }
    for (const place of [0, 1]) {
      expect(await pick(stage.cluster.consumers, place).drain()).toEqual(clean);
      await untilEven(stage);
    }

    expect(await closeAfter(intake, stage)).toMatchObject(exact);
  });

  it('is replaced one by one, from the code of the commit before to this one: intake never stops, nothing is lost', async () => {
    const project = previousCode();
    if (project === undefined)
      console.warn('NOT TRIED, the commit before: there is no git history here. Replaced by itself.');
    const stage = await openStage({ publishers: 2, consumers: 3, ...(project === undefined ? {} : { project }) });
    await untilEven(stage);
    const intake = await startIntake(stage);

    for (const consumer of stage.cluster.consumers) {
      await replace(consumer, root);
      await untilEven(stage);
    }
    for (const publisher of stage.cluster.publishers) await replace(publisher, root);

    expect(await closeAfter(intake, stage)).toMatchObject(exact);
  });
});
