/**
 * What makes a spooled event durable is two calls to the kernel, which no test saw: with both of them left out, everything
 * passed, since a killed process loses nothing of what it has written. Only a power cut does.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { commit } from './disk.ts';
import { FolderFiles, makeFolder, segmentName } from './files.ts';

interface Synced {
  readonly call: 'datasync' | 'sync';
  readonly path: string;
  /** The file's length when it was synced. */
  readonly bytes: number;
}

let folder = '';
let synced: Synced[] = [];

beforeEach(async () => {
  folder = join(tmpdir(), `tallyman-files-${randomUUID()}`);
  synced = [];
  await spyOnSyncs();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

/** Every handle of this process has this one's prototype. */
async function spyOnSyncs(): Promise<void> {
  const handle = await open(tmpdir());
  const { readlink } = await import('node:fs/promises');
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  for (const call of ['datasync', 'sync'] as const) {
    const real = prototype[call];
    vi.spyOn(prototype, call).mockImplementation(async function (this: typeof handle) {
      const path = await readlink(`/proc/self/fd/${this.fd}`);
      synced.push({ call, path, bytes: (await this.stat()).size });
      await real.call(this);
    });
  }
}

it('syncs what it has written, and then the name of a new segment, before a commit has ended', async () => {
  await mkdir(folder);
  const files = new FolderFiles(folder);
  const record = Buffer.from('a record');
  await commit(files, { kind: 'commit', segment: 1, isNew: true, offset: 0, records: [record, record] });
  expect(synced).toEqual([
    { call: 'datasync', path: join(folder, segmentName(1)), bytes: 16 },
    expect.objectContaining({ call: 'sync', path: folder }),
  ]);
  synced = [];
  await commit(files, { kind: 'commit', segment: 1, isNew: false, offset: 16, records: [record] });
  expect(synced).toEqual([{ call: 'datasync', path: join(folder, segmentName(1)), bytes: 24 }]);
  expect(await readFile(join(folder, segmentName(1)), 'utf8')).toBe('a record'.repeat(3));
  await files.close();
});

it('writes the rest when the kernel has taken a part only', async () => {
  await mkdir(folder);
  const handle = await open(tmpdir());
  const prototype = Object.getPrototypeOf(handle) as {
    write: (this: unknown, bytes: Buffer, offset: number, length: number, position: number) => Promise<unknown>;
  };
  await handle.close();
  const real = prototype.write;
  vi.spyOn(prototype, 'write').mockImplementation(function (this: typeof prototype, bytes, offset, length, position) {
    return real.call(this, bytes, offset, Math.min(length, 3), position);
  });
  const files = new FolderFiles(folder);
  await files.create('some');
  await files.write('some', 0, Buffer.from('a whole record'));
  await files.close();
  expect(await readFile(join(folder, 'some'), 'utf8')).toBe('a whole record');
});

it('makes the folder and what is above it durable, up to what was there before', async () => {
  const deep = join(folder, 'a', 'b');
  await makeFolder(deep);
  expect(synced.map(({ path }) => path)).toEqual([join(folder, 'a'), folder, dirname(folder)]);
  synced = [];
  await makeFolder(deep);
  expect(synced).toEqual([]);
});
