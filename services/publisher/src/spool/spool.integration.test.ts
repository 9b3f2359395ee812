/** The spool on real folders: what is kept, and what happens when somebody takes the disk away. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { until } from '../../../../shared/testing/until.ts';
import { record } from './bench.ts';
import { spoolLimits } from './limits.ts';
import { createSpoolMetrics } from './metrics.ts';
import type { SpoolRecord } from './record.ts';
import { Spool } from './spool.ts';

const log = createLog({ service: 'test', level: 'silent' });
const mebibyte = 1024 * 1024;

let parent: string;
let folder: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'tallyman-spool-'));
  folder = join(parent, 'deeper', 'spool');
  return () => rm(parent, { recursive: true, force: true });
});

async function open(spoolBytes = 64 * mebibyte): Promise<Spool> {
  const metrics = createSpoolMetrics(new Registry(), () => ({
    state: 'open',
    bytes: 0,
    records: 0,
    oldestAcceptedMs: undefined,
  }));
  const spool = new Spool({ folder, limits: spoolLimits(spoolBytes), log, metrics });
  await spool.start();
  onTestFinished(() => spool.stop());
  return spool;
}

const fresh = (sequence: number, bytes = 100): SpoolRecord => record(sequence, 'x'.repeat(bytes), Date.now());
const append = (spool: Spool, each: SpoolRecord): Promise<boolean> =>
  new Promise((resolve) => spool.append(each, Infinity, resolve));

/** Publishes and confirms until the spool is empty. */
async function drain(spool: Spool): Promise<readonly number[]> {
  const sequences: number[] = [];
  await until(
    () => {
      for (let next = spool.next(1); next !== undefined; next = spool.next(1)) {
        sequences.push(next.origin.sequence);
        spool.tell('confirmed', next);
      }
      return spool.isEmpty;
    },
    { deadlineMs: 20_000, intervalMs: 5 },
  );
  return sequences;
}

it('gives back in order to the next process what it has stored, and leaves nothing behind', async () => {
  const spool = await open();
  const stored = await Promise.all(Array.from({ length: 500 }, (_, index) => append(spool, fresh(index + 1, 2_000))));
  expect(stored).not.toContain(false);
  expect([spool.records, spool.state]).toEqual([500, 'open']);
  await spool.stop();
  const next = await open();
  expect(next.records).toBe(500);
  expect(await drain(next)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  expect((await readdir(folder)).toSorted()).toEqual(['cursor', 'lock']);
});

it('goes on where the last process has stopped', async () => {
  const spool = await open();
  for (let sequence = 1; sequence <= 5; sequence++) await append(spool, fresh(sequence));
  const first = await until(() => spool.next(1) ?? false);
  spool.tell('confirmed', first);
  await spool.stop();
  expect(await drain(await open())).toEqual([2, 3, 4, 5]);
});

it('waits for a process that has the folder, and takes it over when that ends', async () => {
  const spool = await open();
  await append(spool, fresh(1));
  const waiting = await open();
  expect([waiting.state, await append(waiting, fresh(2))]).toEqual(['locked', false]);
  await spool.stop();
  await until(() => waiting.state === 'open');
  expect(await drain(waiting)).toEqual([1]);
});

describe('a folder that is taken away', () => {
  it.each(['deleted', 'moved'])('(%s) is noticed before anything is called stored, and made again', async (how) => {
    const spool = await open();
    expect(await append(spool, fresh(1))).toBe(true);
    if (how === 'deleted') await rm(folder, { recursive: true });
    else await rename(folder, `${folder}-elsewhere`);
    expect(await append(spool, fresh(2))).toBe(false);
    await until(() => spool.state === 'open');
    expect(await append(spool, fresh(3))).toBe(true);
    await spool.stop();
    expect(await drain(await open())).toEqual([3]);
  });

  it('is tried again for as long as something else stands in its place', async () => {
    const spool = await open();
    await rm(folder, { recursive: true });
    await writeFile(folder, 'a file');
    expect(await append(spool, fresh(1))).toBe(false);
    await until(() => spool.state === 'unavailable');
    expect(spool.roomBytes).toBeUndefined();
    await rm(folder);
    await until(() => spool.state === 'open', { deadlineMs: 20_000 });
    expect(await append(spool, fresh(2))).toBe(true);
  });
});

/** Why the tests below cannot be run here; they need a disk of their own. */
function obstacle(): string | undefined {
  if (process.platform !== 'linux') return 'a disk of its own is made with Linux mounts';
  if (process.getuid?.() !== 0) return 'only root may mount one';
  const probe = execFileSync('mktemp', ['-d']).toString().trim();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return undefined;
  } catch {
    return 'mounting is not permitted here';
  } finally {
    execFileSync('rmdir', [probe]);
  }
}
const noDisk = obstacle();

describe.skipIf(noDisk !== undefined)(`a disk of 2 MiB${noDisk === undefined ? '' : ` (skipped: ${noDisk})`}`, () => {
  beforeEach(() => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', parent]);
    return () => execFileSync('umount', ['-l', parent]);
  });
  const appendAll = async (spool: Spool, from: number, count: number): Promise<readonly number[]> => {
    const sequences = Array.from({ length: count }, (_, index) => from + index);
    const stored = await Promise.all(sequences.map((sequence) => append(spool, fresh(sequence, 100_000))));
    return sequences.filter((_, index) => stored[index]);
  };

  it('that is full stores nothing more, keeps what it has, and is used again when it has room', async () => {
    const spool = await open();
    const first = await appendAll(spool, 1, 10);
    expect(first).toHaveLength(10);
    await writeFile(join(parent, 'filler'), Buffer.alloc(mebibyte)).catch(() => undefined);
    expect(await appendAll(spool, 11, 5)).toEqual([]);
    expect([spool.state, spool.roomBytes]).toEqual(['failing', undefined]);

    await rm(join(parent, 'filler'));
    await until(() => spool.state === 'open', { deadlineMs: 20_000 });
    const later = await appendAll(spool, 21, 2);
    expect(later).toEqual([21, 22]);
    expect(await drain(spool)).toEqual([...first, ...later]);
  });

  it('that is full of the spool alone is emptied by the replay', async () => {
    const spool = await open();
    const stored: number[] = [];
    for (let sequence = 1; spool.state === 'open'; sequence += 4) stored.push(...(await appendAll(spool, sequence, 4)));
    expect(stored.length).toBeGreaterThan(10);
    expect(await drain(spool)).toEqual(stored);
    await until(() => spool.state === 'open', { deadlineMs: 20_000 });
    expect(await appendAll(spool, 1_000, 1)).toEqual([1_000]);
  });

  it('that is read-only stores nothing, and is used again when it can be written to', async () => {
    const spool = await open();
    await append(spool, fresh(1));
    const remount = (how: string) => execFileSync('mount', ['-o', `remount,${how}`, parent]);
    // What is open for writing would forbid the remount: the folder is opened anew below it.
    await spool.stop();
    remount('ro');
    const later = await open();
    expect([later.state, await append(later, fresh(2))]).toEqual(['unavailable', false]);
    remount('rw');
    await until(() => later.state === 'open', { deadlineMs: 20_000 });
    expect(await append(later, fresh(3))).toBe(true);
    expect(await drain(later)).toEqual([1, 3]);
    expect(existsSync(join(folder, 'probe'))).toBe(false);
  });
});
