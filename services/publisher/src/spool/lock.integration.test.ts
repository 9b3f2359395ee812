/** Who has the folder, when processes are killed, frozen and started at the same time. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Child, plainEnvironment } from '../../../../shared/testing/child.ts';
import { type Nursery, openNursery } from '../../../../shared/testing/nursery.ts';
import { until } from '../../../../shared/testing/until.ts';
import { isLocked, lockFolder, SpoolLocked } from './lock.ts';

/** Locks the folder of its argument and stays, or says who it is not and ends. */
const holder = `
import { lockFolder } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)};
try { await lockFolder(process.argv[1]); console.log('has it'); setInterval(() => {}, 1000); }
catch (error) { console.log(error.name); }`;

let nursery: Nursery;
let folder: string;
let children = 0;
beforeAll(async () => {
  nursery = await openNursery();
});
afterAll(() => nursery.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallyman-lock-'));
  return () => rm(folder, { recursive: true, force: true });
});

const spawnHolder = (): Promise<Child> =>
  nursery.spawn(`holder-${++children}`, process.execPath, ['--input-type=module', '-e', holder, folder], {
    env: plainEnvironment(),
  });
const words = (child: Child): Promise<string> => readFile(child.logFile, 'utf8');

it('gives the folder to one of those that start at once', async () => {
  const all = await Promise.all(Array.from({ length: 6 }, spawnHolder));
  const said = await until(
    async () => {
      const each = await Promise.all(all.map(words));
      expect(each).not.toContain('');
      return each;
    },
    { deadlineMs: 60_000 },
  );
  expect(said.filter((text) => text.includes('has it'))).toHaveLength(1);
  expect(said.filter((text) => text.includes('SpoolLocked'))).toHaveLength(5);
  for (const child of all) await child.kill();
});

it('is free as soon as its process was killed, and not while that is only frozen', async () => {
  const child = await spawnHolder();
  await until(async () => (await words(child)).includes('has it'), { deadlineMs: 60_000 });
  child.signal('SIGSTOP');
  await expect(lockFolder(folder)).rejects.toThrow(SpoolLocked);
  expect(await isLocked(folder)).toBe(true);
  await child.kill('SIGKILL');
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(SpoolLocked);
  await lock.release();
  expect(await isLocked(folder)).toBe(false);
});

it('knows when the folder that it has is not there any more', async () => {
  const lock = await lockFolder(folder);
  expect(await lock.isInPlace()).toBe(true);
  await rm(folder, { recursive: true });
  expect(await lock.isInPlace()).toBe(false);
  await lock.release();
});
