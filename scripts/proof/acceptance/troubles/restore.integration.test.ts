import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../../shared/testing/ports.ts';
import { queueState } from '../../../../shared/topology/broker-view.ts';
import { shardQueue } from '../../../../shared/topology/names.ts';
import { until } from '../../../../shared/testing/until.ts';
import { closeBooks, exact, owes, untilBilled } from '../stage/books.ts';
import { patient, testTimeoutMs } from '../stage/durations.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { openStage, pick, type Stage } from '../stage/stage.ts';

/**
 * The commands are those of docs/how-to/recover.md: a block that begins with ```bash NAME is run as it stands there, with
 * the variables that the text around it names.
 */
const page = join(import.meta.dirname, '../../../../docs/how-to/recover.md');

async function runFromPage(name: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const [, commands] = new RegExp(`^\`\`\`bash ${name}\\n(.*?)^\`\`\``, 'ms').exec(await readFile(page, 'utf8')) ?? [];
  if (commands === undefined) throw new Error(`docs/how-to/recover.md has no block ${name}`);
  const env = { PATH: process.env['PATH'] ?? '', ...variables };
  await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], { env });
}

async function backupFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-backup-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

const customers = Array.from({ length: 20 }, (_, customer) => `cus_${customer}`);
const posted = (round: number) =>
  customers.map((customer) => ({ id: `${round}`, customer, meter: 'tokens', value: round }));
const owedAfter = (...rounds: readonly number[]) => {
  const value = rounds.reduce((sum, round) => sum + round, 0);
  return () => customers.map((customer) => owes(customer, 'tokens', value, rounds.length));
};

/** Billed and acked: neither broker nor consumer has anything of it any more. */
async function settled(stage: Stage, ...rounds: readonly number[]): Promise<void> {
  await untilBilled(stage, owedAfter(...rounds));
  const metrics = () => pick(stage.cluster.consumers).metrics();
  await until(async () => expect((await metrics()).sum('tallyman_consumer_messages_held')).toBe(0), patient);
}

async function messagesReady(stage: Stage): Promise<number> {
  const { cluster, shards } = stage;
  const connection = await stage.connectToBroker();
  const queues = Array.from({ length: shards }, (_, shard) => shardQueue(cluster.namespace, shard));
  const states = await Promise.all(queues.map((queue) => queueState(connection, queue)));
  return states.reduce((sum, state) => sum + (state?.ready ?? 0), 0);
}

function dataOf({ dataFolder }: { readonly dataFolder?: string }): string {
  if (dataFolder === undefined) throw new Error('its data cannot be reached from here: it runs in a container');
  return dataFolder;
}

describe('backup and restore', { timeout: testTimeoutMs }, () => {
  it('a journal restored from its backup goes on, knows the ids of before, and has forgotten those of after', async () => {
    const stage = await openStage({ own: ['redis'] });
    const { publishers, consumers } = stage.cluster;
    const backup = { BACKUP: await backupFolder() };
    await postEvents(pick(publishers), ...posted(1));
    await settled(stage, 1);
    await runFromPage('backup-journal', { ...backup, REDIS_URL: stage.redis.url });
    await postEvents(pick(publishers), ...posted(10));
    await settled(stage, 1, 10);

    await pick(consumers).kill();
    await stage.redis.kill();
    await runFromPage('restore-journal', {
      ...backup,
      REDIS_DATA: dataOf(stage.redis),
      PORT: String(await freePort()),
    });
    await stage.redis.start();
    await stage.run('recover', '--yes');
    // What applications send again, to a sidecar that has not seen it: the restored journal knows the first events, and bills
    // the others a second time.
    await pick(publishers).drain();
    await pick(publishers).restart();
    await postEvents(pick(publishers), ...posted(1), ...posted(10), ...posted(100));
    await pick(consumers).restart();
    expect(await closeBooks(stage, owedAfter(1, 10, 10, 100))).toMatchObject(exact);
  });

  it('a broker restored from its backup brings messages back, and none of them is billed again', async () => {
    const stage = await openStage({ own: ['broker', 'redis'] });
    const { publishers, consumers } = stage.cluster;
    const data = { BACKUP: await backupFolder(), BROKER_DATA: dataOf(stage.broker) };
    await pick(consumers).drain();
    await postEvents(pick(publishers), ...posted(1));
    // As a snapshot of a running machine's disk finds it.
    await stage.broker.freeze();
    await runFromPage('backup-broker', data);
    await stage.broker.thaw();
    await pick(consumers).restart();
    await settled(stage, 1);
    await postEvents(pick(publishers), ...posted(10));
    await settled(stage, 1, 10);
    // Confirmed, and not billed when the disk is lost.
    await pick(consumers).drain();
    await postEvents(pick(publishers), ...posted(1_000));

    await stage.broker.kill('SIGKILL');
    await runFromPage('restore-broker', data);
    await stage.broker.start();
    // Those of the backup, which are billed already; what was confirmed after it is gone.
    await until(async () => expect(await messagesReady(stage)).toBeGreaterThan(0), patient);
    await pick(consumers).restart();
    await postEvents(pick(publishers), ...posted(100));
    expect(await closeBooks(stage, owedAfter(1, 10, 100))).toMatchObject(exact);
  });
});
