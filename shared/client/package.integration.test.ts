/** What `npm publish` would publish, installed into a project that has nothing else. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire, isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { listen } from '../http/listen.ts';
import { plainEnvironment } from '../testing/child.ts';
import { findNodes } from '../testing/executables.ts';
import { installClient, packClient } from './testing/packed-client.ts';

const run = promisify(execFile);
const modules = resolve(import.meta.dirname, '../../node_modules');
const installedBytesMax = 5_000_000;

let project: string;
let installed: string;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-package-'));
  project = join(folder, 'application');
  installed = join(project, 'node_modules/tallyman-client');
  await installClient(project, await packClient(folder));
  return () => rm(folder, { recursive: true });
});

describe('the package', () => {
  it('is what was built, the README and package.json, and installs nothing beside itself', () => {
    const folders = globSync('*', { cwd: join(project, 'node_modules') });
    expect(folders).toEqual(['tallyman-client']);
    const files = globSync('**/*.*', { cwd: installed });
    expect(files.filter((file) => !/^dist\/[\w-]+(?:\.d)?\.c?[jt]s$/.test(file)).toSorted()).toEqual([
      'README.md',
      'package.json',
    ]);
    const bytes = files.reduce((sum, file) => sum + statSync(join(installed, file)).size, 0);
    expect(bytes).toBeLessThan(installedBytesMax);
  });

  it('imports nothing but itself and Node', () => {
    const imported = globSync('dist/*', { cwd: installed }).flatMap((file) => {
      const text = readFileSync(join(installed, file), 'utf8');
      return [...text.matchAll(/(?:\bfrom |\bimport |\brequire\()["']([^"']+)["']/g)].map(([, name = '']) => name);
    });
    expect(imported).toContain('node:http');
    expect(imported.filter((name) => !name.startsWith('./') && !isBuiltin(name))).toEqual([]);
  });
});

describe('its types', () => {
  const main = `import { createClient, type Usage, UsageError, UsageRejected, UsageUndelivered } from 'tallyman-client';
const client = createClient({ socket: '/run/sidecar.sock', token: () => 'secret', onFailure: ({ code }) => code });
const usage: Usage = { customer: 'cus_1', meter: 'tokens', value: 1n, timestamp: new Date() };
export const receipt: Promise<{ readonly id: string }> = client.record(usage);
export const isTaken: boolean = client.tryRecord(usage);
export const closed: PromiseLike<void> = client[Symbol.asyncDispose]();
export function fieldOf(error: unknown): string | undefined {
  if (error instanceof UsageUndelivered) return error.code satisfies 'buffer_full' | 'closed' | 'gave_up' | 'refused';
  return error instanceof UsageRejected ? error.field : error instanceof UsageError ? error.id : undefined;
}
// @ts-expect-error A meter is missing.
void client.record({ customer: 'cus_1' });
// @ts-expect-error There is no such option.
createClient({ adress: 'http://127.0.0.1:7070' });
`;
  const middleware = `import { IncomingMessage, ServerResponse } from 'node:http';
import { createClient } from 'tallyman-client';
import { type UsageMiddleware, usageMiddleware } from 'tallyman-client/express';
import { usageHook } from 'tallyman-client/fastify';
const options = { client: createClient(), key: () => 'key-1', customer: () => 'cus_1', meter: 'api_calls', onDropped: () => {} };
export const use: UsageMiddleware<IncomingMessage, ServerResponse> = usageMiddleware(options);
export const pending: number = usageHook<IncomingMessage, { readonly raw: ServerResponse }>(options).counts().pending;
// @ts-expect-error Somebody must hear of what is dropped.
usageMiddleware({ client: createClient(), key: () => 'key-1', customer: () => 'cus_1', meter: 'api_calls' });
`;
  const current = join(modules, '.bin/tsc');
  // It brings a TypeScript of its own, which most applications still have.
  const requireOfOlder = createRequire(createRequire(import.meta.url).resolve('@arethetypeswrong/core/package.json'));
  const older = requireOfOlder.resolve('typescript/bin/tsc');

  /** Answers what the compiler says, nothing if it is content. */
  async function check(compiler: string, files: Readonly<Record<string, string>>, options: object): Promise<string> {
    const folder = await mkdtemp(join(project, 'types-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const strict = { strict: true, skipLibCheck: false, noEmit: true, target: 'es2022', lib: ['es2022'], types: [] };
    const config = { compilerOptions: { ...strict, ...options }, include: ['*.ts', '*.cts'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const { stdout } = await run(process.execPath, [compiler, '-p', folder], { env: plainEnvironment() }).catch(
      (error: unknown) => {
        if (error instanceof Error && 'stdout' in error) return { stdout: String(error.stdout) };
        throw error;
      },
    );
    return stdout;
  }

  const nodenext = { module: 'nodenext' };
  const bundler = { module: 'esnext', moduleResolution: 'bundler' };

  it.each([
    ['TypeScript 7, NodeNext', current, nodenext],
    ['TypeScript 7, bundler', current, bundler],
    ['TypeScript 5, NodeNext', older, nodenext],
    ['TypeScript 5, bundler', older, bundler],
  ])('satisfy %s, without the types of Node', async (_, compiler, options) => {
    expect(await check(compiler, { 'esm.ts': main, 'cjs.cts': main }, options)).toBe('');
  });

  it('of the middleware need the types of Node, and nothing else', async () => {
    const types = join(project, 'node_modules/@types');
    await symlink(join(modules, '@types'), types);
    onTestFinished(() => rm(types));
    const files = { 'esm.ts': middleware, 'cjs.cts': middleware };
    expect(await check(current, files, { ...nodenext, types: ['node'] })).toBe('');
  });

  it('satisfy the programs of the README', async () => {
    const readme = readFileSync(join(installed, 'README.md'), 'utf8');
    const programs = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text = '']) => text);
    expect(programs.length).toBeGreaterThan(3);
    const linked = ['@types', 'express', 'fastify'];
    for (const name of linked) await symlink(join(modules, name), join(project, 'node_modules', name));
    onTestFinished(async () => {
      for (const name of linked) await rm(join(project, 'node_modules', name));
    });
    const files = Object.fromEntries(programs.map((text, index) => [`program-${index}.ts`, text]));
    const options = { ...nodenext, target: 'es2024', lib: ['es2024'], types: ['node'] };
    expect(await check(current, files, options)).toBe('');
  });
});

async function nodeOf(major: number): Promise<string | undefined> {
  for (const node of findNodes()) {
    const { stdout } = await run(node, ['--version']);
    if (stdout.startsWith(`v${major}.`)) return node;
  }
  return undefined;
}

describe.each([20, 24])('on Node %i', (major) => {
  const body = `
async function main() {
  const client = createClient({ url: process.argv[2] });
  await client.ready();
  const { id } = await client.record({ customer: 'cus_1', meter: 'tokens', value: 2n, id: 'e-1' });
  const fault = await client.record({ customer: '', meter: 'tokens' }).catch((error) => error);
  const options = { client, key: () => 'key-1', customer: (key) => key, meter: 'calls', onDropped: console.error };
  const request = { method: 'GET' };
  const response = new EventEmitter();
  await new Promise((next) => usageMiddleware(options)(request, response, next));
  response.emit('finish');
  await new Promise((done) => usageHook(options)(request, { raw: { writableFinished: true } }, done));
  await client.close();
  console.log(JSON.stringify([id, fault instanceof UsageRejected, fault instanceof UsageError, fault.code, client.counts().durable]));
}
main();
`;
  const programs = {
    'application.mjs': `import { EventEmitter } from 'node:events';
import { createClient, UsageError, UsageRejected } from 'tallyman-client';
import { usageMiddleware } from 'tallyman-client/express';
import { usageHook } from 'tallyman-client/fastify';
${body}`,
    'application.cjs': `const { EventEmitter } = require('node:events');
const { createClient, UsageError, UsageRejected } = require('tallyman-client');
const { usageMiddleware } = require('tallyman-client/express');
const { usageHook } = require('tallyman-client/fastify');
${body}`,
  };

  it.for(Object.entries(programs))('records usage: %s', async ([name, program], { skip }) => {
    const node = await nodeOf(major);
    if (node === undefined) return skip(`there is no Node ${major} here: ${name} was NOT tried on it`);
    const { url, events } = await standIn();
    const file = join(project, name);
    await writeFile(file, program);
    const { stdout, stderr } = await run(node, [file, url], { env: plainEnvironment() });
    expect([JSON.parse(stdout), stderr]).toEqual([['e-1', true, true, 'customer_invalid', 3], '']);
    expect(events).toMatchObject([
      { id: 'e-1', customer: 'cus_1', meter: 'tokens', value: '2' },
      { customer: '' },
      { customer: 'key-1', meter: 'calls' },
      { customer: 'key-1', meter: 'calls' },
    ]);
  });
});

/** Answers as a sidecar does: 202, or 400 where no event has a customer. */
async function standIn(): Promise<{ readonly url: string; readonly events: unknown[] }> {
  const events: unknown[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/readyz') return void response.end('{}');
    void json(request).then((body) => {
      const sent = body as readonly { readonly id: string; readonly customer: string }[];
      events.push(...sent);
      const rejected = sent.flatMap(({ id, customer }, index) =>
        customer === '' ? [{ index, id, code: 'customer_invalid', message: 'customer: got "".' }] : [],
      );
      const accepted = sent.length - rejected.length;
      response.writeHead(accepted > 0 ? 202 : 400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ accepted, duplicates: 0, rejected }));
    });
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  return { url: `http://127.0.0.1:${port}`, events };
}
