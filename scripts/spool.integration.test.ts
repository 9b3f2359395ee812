/** The command that a person runs on a spool whose sidecar does not come back, on a real broker. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { declareQueues, idsOf, takeAll } from '../services/publisher/src/testing.ts';
import { type Child, plainEnvironment } from '../shared/testing/child.ts';
import { type Nursery, openNursery } from '../shared/testing/nursery.ts';
import { freePort } from '../shared/testing/ports.ts';
import { sharedServices } from '../shared/testing/shared-services.ts';
import { startService } from './cluster/service.ts';

const script = new URL('./spool.ts', import.meta.url).pathname;

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
  const child: Child = await nursery.spawn(`spool-${++runs}`, process.execPath, [script, ...args], {
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
    expect.stringContaining('a sidecar that runs publishes it by itself'),
  ]);
  await sidecar.kill();

  const before = await run(['inspect', folder]);
  expect(before).toMatchObject({
    code: 0,
    words: expect.stringMatching(/: \d+ messages to publish, \d+ bytes, the oldest of /),
  });
  expect(before.words).toContain('No process has it.');

  const drained = await run(['drain', folder], env);
  expect([drained.code, drained.words]).toEqual([0, expect.stringContaining('is empty')]);
  expect(idsOf(await takeAll(amqpUrl, namespace))).toEqual(new Set(ids));
  expect((await readdir(folder)).toSorted()).toEqual(['cursor', 'lock']);
  expect((await run(['inspect', folder])).words).toContain(': 0 messages to publish, 0 bytes.');
});

it('says what it takes, and what is not there', async () => {
  expect(await run([])).toMatchObject({ code: 64, words: expect.stringContaining('npm run spool -- inspect DIR') });
  expect(await run(['inspect', '/nowhere/at/all'])).toMatchObject({ code: 1 });
  expect((await run(['drain', nursery.folder])).code).toBe(78);
});
