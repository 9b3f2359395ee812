import type { SpoolFiles } from './files.ts';

/**
 * For tests: a disk that tells what survives. A crash comes before a chosen operation, or in the middle of it if it writes.
 *
 * - `kill`: the process is gone; the operating system keeps what it was given.
 * - `power`: only what was synced is left: of a file its bytes as of its last sync, of the folder its names as of its last sync.
 * - `torn`: as `power`, but of what was written since, the first half has reached the disk too.
 */
export type Crash = 'kill' | 'power' | 'torn';

export class Crashed extends Error {}

class File {
  bytes: Buffer = Buffer.alloc(0);
  synced: Buffer = Buffer.alloc(0);
}

export class ModelDisk implements SpoolFiles {
  #names: Map<string, File>;
  #syncedNames: Map<string, File>;
  #operationsLeft = Infinity;
  #hasCrashed = false;
  operations = 0;
  syncs = 0;
  /** It takes no byte more. */
  isFull = false;

  constructor(names = new Map<string, File>()) {
    this.#names = names;
    this.#syncedNames = new Map(names);
  }

  /** Lets this many more operations happen. */
  crashAfter(operations: number): void {
    this.#operationsLeft = operations;
  }

  /** The disk as the next process finds it. */
  after(crash: Crash): ModelDisk {
    const found = new Map<string, File>();
    for (const [name, file] of crash === 'kill' ? this.#names : this.#syncedNames) {
      const next = new File();
      const fresh = file.bytes.subarray(file.synced.byteLength);
      const half = Buffer.concat([file.synced, fresh.subarray(0, fresh.byteLength >> 1)]);
      next.bytes = Buffer.from(crash === 'kill' ? file.bytes : crash === 'power' ? file.synced : half);
      next.synced = next.bytes;
      found.set(name, next);
    }
    return new ModelDisk(found);
  }

  names(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  contents(name: string): Buffer {
    return Buffer.from(this.#file(name).bytes);
  }

  /** What somebody else does to the disk. */
  replace(name: string, bytes: Buffer): void {
    const file = new File();
    file.bytes = bytes;
    file.synced = bytes;
    this.#names.set(name, file);
    this.#syncedNames.set(name, file);
  }

  async list(): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
    this.#readable();
    return [...this.#names].map(([name, { bytes }]) => ({ name, bytes: bytes.byteLength }));
  }

  async read(name: string, offset: number, bytes: number): Promise<Buffer> {
    this.#readable();
    return Buffer.from(this.#file(name).bytes.subarray(offset, offset + bytes));
  }

  async create(name: string): Promise<void> {
    this.#begin();
    if (this.#names.has(name)) throw new Error(`${name} exists`);
    this.#names.set(name, new File());
  }

  async write(name: string, offset: number, bytes: Buffer): Promise<void> {
    const isCut = this.#operationsLeft === 0;
    if (isCut) put(this.#file(name), offset, bytes.subarray(0, bytes.byteLength >> 1));
    this.#begin();
    const file = this.#file(name);
    // A full disk takes what needs no room, and of the rest the half.
    if (this.isFull && offset + bytes.byteLength > file.bytes.byteLength) {
      put(file, offset, bytes.subarray(0, bytes.byteLength >> 1));
      throw new Error('ENOSPC');
    }
    put(file, offset, bytes);
  }

  async truncate(name: string, bytes: number): Promise<void> {
    this.#begin();
    const file = this.#file(name);
    file.bytes = file.bytes.subarray(0, bytes);
  }

  async sync(name: string): Promise<void> {
    this.#begin();
    this.syncs++;
    const file = this.#file(name);
    file.synced = Buffer.from(file.bytes);
  }

  async syncFolder(): Promise<void> {
    this.#begin();
    this.#syncedNames = new Map(this.#names);
  }

  async remove(name: string): Promise<void> {
    this.#begin();
    this.#names.delete(name);
  }

  async isInPlace(name: string): Promise<boolean> {
    this.#readable();
    return this.#names.has(name);
  }

  async close(): Promise<void> {
    // Nothing is held.
  }

  #begin(): void {
    this.#readable();
    if (this.#operationsLeft === 0) {
      this.#hasCrashed = true;
      throw new Crashed();
    }
    this.#operationsLeft--;
    this.operations++;
  }

  #readable(): void {
    if (this.#hasCrashed) throw new Crashed();
  }

  #file(name: string): File {
    const file = this.#names.get(name);
    if (file === undefined) throw new Error(`${name} does not exist`);
    return file;
  }
}

function put(file: File, offset: number, bytes: Buffer): void {
  const length = Math.max(file.bytes.byteLength, offset + bytes.byteLength);
  const next = Buffer.alloc(length);
  file.bytes.copy(next);
  bytes.copy(next, offset);
  file.bytes = next;
}
