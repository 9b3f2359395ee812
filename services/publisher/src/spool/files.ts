import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The file operations that a spool is made of; a test has a disk of its own that crashes between any two. */
export interface SpoolFiles {
  list(): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  /** Shorter than asked at the end of the file. */
  read(name: string, offset: number, bytes: number): Promise<Buffer>;
  /** Fails if there is a file of this name. */
  create(name: string): Promise<void>;
  /** All of it, or it fails. */
  write(name: string, offset: number, bytes: Buffer): Promise<void>;
  truncate(name: string, bytes: number): Promise<void>;
  /** What was written is durable. */
  sync(name: string): Promise<void>;
  /** What was created and removed is durable. */
  syncFolder(): Promise<void>;
  /** Without effect if there is none. */
  remove(name: string): Promise<void>;
  /** False if the file that was written to is not the one of this name any more: somebody has moved or deleted it. */
  isInPlace(name: string): Promise<boolean>;
  close(): Promise<void>;
}

/** The names in a spool's folder. */
const segmentPattern = /^segment-(\d{10,})\.spool$/;
export const cursorName = 'cursor';
export const lockName = 'lock';
export const probeName = 'probe';

export function segmentName(number: number): string {
  return `segment-${String(number).padStart(10, '0')}.spool`;
}

export function segmentNumber(name: string): number | undefined {
  const digits = segmentPattern.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function parkedName(why: 'damaged' | 'too_old', segment: number, offset: number): string {
  const place = `${String(segment).padStart(10, '0')}-${offset}`;
  return why === 'damaged' ? `segment-${place}.damaged` : `parked-${place}.spool`;
}

export const isParkedName = (name: string): boolean => /^parked-.*\.spool$|\.damaged$/.test(name);

/** Makes the folder and what is above it, durably. Only we read what is in it: customers stand there. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncPath(dirname(made));
}

/** Keeps the files open that it has used, until they are removed. */
export class FolderFiles implements SpoolFiles {
  readonly #folder: string;
  readonly #flags: number;
  readonly #handles = new Map<string, FileHandle>();
  #isClosed = false;

  constructor(folder: string, access: 'write' | 'look' = 'write') {
    this.#folder = folder;
    this.#flags = access === 'write' ? constants.O_RDWR : constants.O_RDONLY;
  }

  async list(): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return Promise.all(files.map(async ({ name }) => ({ name, bytes: (await stat(join(this.#folder, name))).size })));
  }

  async read(name: string, offset: number, bytes: number): Promise<Buffer> {
    const handle = await this.#open(name);
    const buffer = Buffer.allocUnsafe(bytes);
    let filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await handle.read(buffer, filled, bytes - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  async create(name: string): Promise<void> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    if (this.#isClosed) throw new Error(`${name} is not made any more: the folder was closed`);
    this.#handles.set(name, await open(join(this.#folder, name), flags, 0o600));
  }

  async write(name: string, offset: number, bytes: Buffer): Promise<void> {
    const handle = await this.#open(name);
    let written = 0;
    while (written < bytes.byteLength) {
      const { bytesWritten } = await handle.write(bytes, written, bytes.byteLength - written, offset + written);
      written += bytesWritten;
    }
  }

  async truncate(name: string, bytes: number): Promise<void> {
    await (await this.#open(name)).truncate(bytes);
  }

  async sync(name: string): Promise<void> {
    // fdatasync: a file's new length counts as its data; only times may be lost.
    await (await this.#open(name)).datasync();
  }

  syncFolder(): Promise<void> {
    return syncPath(this.#folder);
  }

  async remove(name: string): Promise<void> {
    const handle = this.#handles.get(name);
    this.#handles.delete(name);
    await handle?.close();
    try {
      await unlink(join(this.#folder, name));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  async isInPlace(name: string): Promise<boolean> {
    try {
      return await isNamed(await this.#open(name), join(this.#folder, name));
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    await Promise.all(handles.map((handle) => handle.close()));
  }

  async #open(name: string): Promise<FileHandle> {
    const known = this.#handles.get(name);
    if (known !== undefined) return known;
    if (this.#isClosed) throw new Error(`${name} is not opened any more: the folder was closed`);
    const handle = await open(join(this.#folder, name), this.#flags);
    // Two that open it at once: the later one uses what the earlier one has.
    const meanwhile = this.#handles.get(name);
    if (meanwhile === undefined) {
      this.#handles.set(name, handle);
      return handle;
    }
    await handle.close();
    return meanwhile;
  }
}

/** Is this open file still the one of that name? */
export async function isNamed(handle: FileHandle, path: string): Promise<boolean> {
  const held = await handle.stat();
  try {
    const named = await stat(path);
    return named.ino === held.ino && named.dev === held.dev;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
