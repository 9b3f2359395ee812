/** The command that a person runs on a spool whose sidecar does not come back, on a real broker. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sweepSpools } from '../../services/publisher/src/spool/sweep.ts';
import { declareQueues, idsOf, takeAll } from '../../services/publisher/src/testing.ts';
import { type Child, plainEnvironment } from '../../shared/testing/child.ts';
import { createLog } from '../../shared/log/log.ts';
import { type Nursery, openNursery } from '../../shared/testing/nursery.ts';
import { freePort } from '../../shared/testing/ports.ts';
import { sharedServices } from '../../shared/testing/shared-services.ts';
import { until } from '../../shared/testing/until.ts';
import { usageExchange } from '../../shared/topology/names.ts';
import { type RunningService, startService } from '../lab/cluster/service.ts';

const script = new URL('./tallyman.ts', import.meta.url).pathname;

let nursery: Nursery;
beforeAll(async () => {
  nursery = await openNursery();
});
afterAll(() => nursery.close());

let runs = 0;
async function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; words: string }> {
  const child: Child = await nursery.spawn(`spool-${++runs}`, process.execPath, [script, 'spool', ...args], {
    env: { ...plainEnvironment(), ...env },
  });
  const { code } = await child.exited;
  return { code, words: await child.lastLines(30) };
}

it('tells what a left spool holds, publishes it, and keeps its hands off one that a sidecar has', async () => {
  const { amqpUrl, namespace } = sharedServices();
  const env = { AMQP_URL: amqpUrl, TALLYMAN_NAMESPACE: namespace };
  await declareQueues(amqpUrl, namespace);
  const sidecar = await startService(nursery, 'publisher', {
    name: 'sidecar',
    env: { AMQP_URL: `amqp://127.0.0.1:${await freePort()}`, TALLYMAN_NAMESPACE: namespace },
  });
  const folder = join(nursery.folder, 'sidecar', 'spool');
  const ids = Array.from({ length: 300 }, (_, index) => `left.${index}`);
  const body = JSON.stringify(ids.map((id, index) => ({ id, customer: `cus_${index % 20}`, meter: 'tokens' })));
  const headers = { 'content-type': 'application/json' };
  expect((await fetch(`${sidecar.url}/v1/events`, { method: 'POST', headers, body })).status).toBe(202);

  const refused = await run(['drain', folder], env);
  expect([refused.code, refused.words]).toEqual([
    1,
    expect.stringContaining('is in use by a running process, such as a sidecar'),
  ]);
  await sidecar.kill();

  const before = await run(['inspect', folder]);
  expect(before).toMatchObject({
    code: 0,
    words: expect.stringMatching(/: \d+ messages to publish, \d+ bytes, the oldest of /),
  });
  expect(before.words).toContain('No sidecar has it.');
  expect(JSON.parse((await run(['inspect', folder, '--json'])).words)).toMatchObject({
    folder,
    inUse: false,
    messages: expect.any(Number),
    oldest: expect.stringMatching(/Z$/),
    segments: [{ name: expect.any(String), damagedBytes: 0 }],
    parked: [],
  });

  const drained = await run(['drain', folder], env);
  expect([drained.code, drained.words]).toEqual([0, expect.stringContaining('is empty')]);
  expect(idsOf(await takeAll(amqpUrl, namespace))).toEqual(new Set(ids));
  expect((await readdir(folder)).toSorted()).toEqual(['cursor', 'lock']);
  expect((await run(['inspect', folder])).words).toContain(': 0 messages to publish, 0 bytes.');
});

it('says what it takes, and what is not there', async () => {
  expect(await run([])).toMatchObject({
    code: 64,
    words: expect.stringContaining('Missing command: inspect, drain or sweep.'),
  });
  expect(await run(['inspect', '/nowhere/at/all'])).toMatchObject({ code: 1 });
  expect((await run(['drain', nursery.folder])).code).toBe(78);
});

it('sweeps what dead sidecars left in a folder of spools, and leaves that of a living one alone', async () => {
  const { amqpUrl, namespace } = sharedServices();
  await declareQueues(amqpUrl, namespace);
  const parent = join(nursery.folder, 'spools');
  const away = `amqp://127.0.0.1:${await freePort()}`;
  const start = (name: string) =>
    startService(nursery, 'publisher', {
      name,
      env: { AMQP_URL: away, TALLYMAN_NAMESPACE: namespace, TALLYMAN_SPOOL_DIR: join(parent, name) },
    });
  const post = async ({ url }: RunningService, ids: readonly string[]) => {
    const body = JSON.stringify(ids.map((id) => ({ id, customer: 'cus_1', meter: 'tokens' })));
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${url}/v1/events`, { method: 'POST', headers, body })).status).toBe(202);
  };
  const [dead, living] = await Promise.all([start('dead'), start('living')]);
  await post(dead, ['left.1', 'left.2']);
  await post(living, ['mine.1']);
  await dead.kill();

  const stopping = new AbortController();
  const sweeping = sweepSpools(
    {
      parent,
      readUrl: () => amqpUrl,
      ca: undefined,
      exchange: usageExchange(namespace),
      log: createLog({ service: 'spool', level: 'silent' }),
      limits: { orphanMs: 200, keepMs: 1_000 },
      lookEveryMs: 50,
    },
    stopping.signal,
  );
  try {
    await until(async () => expect(await readdir(parent)).toEqual(['living']), { deadlineMs: 30_000 });
  } finally {
    stopping.abort();
    await sweeping;
  }
  expect(idsOf(await takeAll(amqpUrl, namespace))).toEqual(new Set(['left.1', 'left.2']));
  expect((await run(['inspect', join(parent, 'living')])).words).toContain(': 1 message to publish');
});
