import { createHash } from 'node:crypto';

/** A Lua script, which Redis runs as one write: all of it or nothing, and nobody else in between. */
export interface Script {
  readonly name: string;
  readonly body: string;
  readonly sha1: string;
}

export type ScriptArgument = string | number | Buffer;

/** What scripts need of an ioredis client, so that one of a Redis Cluster will do, too. */
export interface ScriptClient {
  callBuffer(command: string, args: ScriptArgument[]): Promise<unknown>;
}

export function createScript(name: string, body: string): Script {
  return { name, body, sha1: createHash('sha1').update(body).digest('hex') };
}

/** Hears how each script of a client ended, if it was answered at all. */
export interface ScriptListener {
  carriedOut(script: string): void;
  /** Redis answered with an error: memory full, no rights, read-only, … */
  refused(script: string, error: Error): void;
}

const listeners = new WeakMap<object, ScriptListener>();

export function listenToScripts(redis: ScriptClient, listener: ScriptListener): void {
  listeners.set(redis, listener);
}

/**
 * Runs a script by its digest. Redis forgets scripts when it restarts, and then answers NOSCRIPT: it has done nothing,
 * so the same call with the whole text is not a repetition. Every key that a script touches is in `keys`.
 */
export async function runScript(
  redis: ScriptClient,
  script: Script,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<Reply> {
  const keyed = [keys.length, ...keys];
  try {
    const answer = await call(redis, script, keyed, args);
    listeners.get(redis)?.carriedOut(script.name);
    return new Reply(script.name, answer);
  } catch (error) {
    // The class that ioredis gives for it has no type.
    if (error instanceof Error && error.name === 'ReplyError') listeners.get(redis)?.refused(script.name, error);
    throw error;
  }
}

async function call(
  redis: ScriptClient,
  script: Script,
  keyed: readonly (string | number)[],
  args: readonly ScriptArgument[],
): Promise<unknown> {
  try {
    return await redis.callBuffer('EVALSHA', [script.sha1, ...keyed, ...args]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return redis.callBuffer('EVAL', [script.body, ...keyed, ...args]);
  }
}

/** What a script answered: a list, read by position. Anything but the expected kind is a bug, and says where. */
export class Reply {
  readonly #script: string;
  readonly #items: readonly unknown[];

  constructor(script: string, value: unknown) {
    if (!Array.isArray(value))
      throw new Error(`The script ${script} answered no list. Its file and its caller differ.`);
    this.#script = script;
    this.#items = value;
  }

  get length(): number {
    return this.#items.length;
  }

  isNull(index: number): boolean {
    return this.#items[index] === null;
  }

  bytes(index: number): Buffer {
    const item = this.#items[index];
    if (!Buffer.isBuffer(item)) throw this.#unexpected(index, 'bytes');
    return item;
  }

  text(index: number): string {
    return this.bytes(index).toString('utf8');
  }

  /** A whole number, answered as such or as text. */
  integer(index: number): number {
    const item = this.#items[index];
    const value = typeof item === 'number' ? item : Number(this.text(index));
    if (!Number.isSafeInteger(value)) throw this.#unexpected(index, 'a whole number');
    return value;
  }

  list(index: number): Reply {
    const item = this.#items[index];
    if (!Array.isArray(item)) throw this.#unexpected(index, 'a list');
    return new Reply(this.#script, item);
  }

  texts(): string[] {
    return this.#items.map((_, index) => this.text(index));
  }

  #unexpected(index: number, expected: string): Error {
    return new Error(`The script ${this.#script} answered something else than ${expected} at position ${index}.`);
  }
}
