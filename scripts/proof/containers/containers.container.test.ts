/**
 * The image and a whole system of it in real containers: what a process cannot show. Networks that keep the broker private,
 * a root filesystem that cannot be written, SIGTERM as an orchestrator sends it, containers that are killed under load.
 * Where no Docker daemon can run, everything here is skipped, and says so.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { openNursery, type Nursery } from '../../../shared/testing/nursery.ts';
import { until } from '../../../shared/testing/until.ts';
import { audit, type Ledger } from '../../lab/audit.ts';
import type { Owed } from '../../lab/load/books.ts';
import { lastLine, owedOf, type SendLine } from '../../lab/load/send-line.ts';
import { imageFiles } from '../image/image-files.ts';
import { listAt } from '../manifests/render.ts';
import { type Engine, NoEngine, openEngine } from './engine.ts';
import { buildTallyman, type Images, makeImages } from './images.ts';
import { openLaptop } from './laptop.ts';
import { appOptions, hardening, networks, startBacking, startStack, type Stack } from './stack.ts';

const root = resolve(import.meta.dirname, '../../..');
const events = 10_000;
/** Images are made in a minute; on a machine that does much else, in some. */
const setupMs = 480_000;
const patient = { deadlineMs: 180_000, intervalMs: 500 };

let nursery: Nursery;
let engine: Engine | undefined;
let images: Images;
let stack: Stack | undefined;

beforeAll(async () => {
  nursery = await openNursery();
  try {
    const startedAt = performance.now();
    const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
    engine = await openEngine(nursery);
    images = await makeImages(engine, nursery);
    console.log(`Containers are real here: ${images.description}. Had in ${seconds()} s.`);
    await Promise.all([buildTallyman(engine, images), startBacking(engine, nursery, images)]);
    console.log(`The image is built after ${seconds()} s.`);
  } catch (error) {
    if (!(error instanceof NoEngine)) throw error;
    console.warn(`NOT TRIED, everything that needs containers: ${error.message}.`, error.cause ?? '');
    await engine?.close();
    engine = undefined;
  }
}, setupMs);

afterAll(async () => {
  await engine?.close();
  await nursery.close();
}, setupMs);

/** The engine, or the end of the test. */
function engineOr(context: TestContext): Engine {
  return engine ?? context.skip('no container engine can be had here');
}

const exitOf = async ({ docker }: Engine, name: string): Promise<number> =>
  Number(await docker('inspect', '--format', '{{.State.ExitCode}}', name));

it('an engine can be had here, or it was said why not', () => {
  // The one test that never skips, so that a machine without containers is told from a stage without tests.
  expect(engine === undefined || images.tallyman !== '').toBe(true);
});

describe('the image', () => {
  const inImage = ({ docker }: Engine, code: string, ...options: readonly string[]) =>
    docker('run', '--rm', '--network', 'none', ...options, images.tallyman, '--input-type=module', '--eval', code);

  it('runs as a user who is not root, and who owns nothing but the folder of the spool', async (context) => {
    const code = `
      import { accessSync, constants } from 'node:fs';
      const canWrite = (path) => { try { accessSync(path, constants.W_OK); return true; } catch { return false; } };
      console.log(JSON.stringify([process.getuid(), process.getgid(), ['/', '/app', '/app/services', '/usr', '/etc', '/spool'].filter(canWrite)]));`;
    expect(JSON.parse(await inImage(engineOr(context), code))).toEqual([65532, 65532, ['/spool']]);
  });

  it('can be run with a root filesystem that nobody can write to', async (context) => {
    const code = `
      import { writeFileSync } from 'node:fs';
      try { writeFileSync('/spool/x', ''); console.log('written'); } catch ({ code }) { console.log(code); }`;
    expect(await inImage(engineOr(context), code, ...hardening)).toBe('EROFS');
  });

  it('holds the files that services and commands import, the packages of production, and nothing else', async (context) => {
    const code = `
      import { existsSync, globSync } from 'node:fs';
      const there = (name) => existsSync('/app/node_modules/' + name);
      const files = globSync('**', { cwd: '/app', withFileTypes: true, exclude: ['node_modules'] });
      const path = ({ parentPath, name }) => (parentPath + '/' + name).slice('/app/'.length);
      console.log(JSON.stringify({
        files: files.filter((entry) => entry.isFile()).map(path).sort(),
        missing: ['amqplib', 'ioredis', 'stripe', 'pino'].filter((name) => !there(name)),
        needless: ['vitest', 'typescript', 'testcontainers', 'node', 'fast-check', '@kubernetes', 'npm'].filter(there),
      }));`;
    const files = imageFiles('product', root);
    expect(JSON.parse(await inImage(engineOr(context), code))).toEqual({ files, missing: [], needless: [] });
  });

  it('can load every file that it holds', async (context) => {
    const isProgram = (file: string) => file.endsWith('/main.ts');
    const modules = imageFiles('product', root).filter((file) => file.endsWith('.ts') && !isProgram(file));
    const code = `
      for (const file of ${JSON.stringify(modules)}) await import('/app/' + file);
      console.log('loaded');`;
    expect(await inImage(engineOr(context), code)).toBe('loaded');
  });

  it('has what it starts and no other program: neither a shell nor npm', async (context) => {
    const code = `
      import { globSync } from 'node:fs';
      console.log(JSON.stringify(globSync('/{,usr/,usr/local/}{bin,sbin}/*').sort()));`;
    expect(JSON.parse(await inImage(engineOr(context), code))).toEqual([
      '/usr/bin/env',
      '/usr/bin/flock',
      '/usr/local/bin/node',
      '/usr/local/bin/tallyman',
    ]);
  });

  it('starts every service and every command of production, which refuse to run without configuration', async (context) => {
    const { docker } = engineOr(context);
    const programs = [
      ['services/publisher/src/main.ts'],
      ['services/consumer/src/main.ts'],
      ['scripts/commands/tallyman.ts', 'topology'],
      ['scripts/commands/tallyman.ts', 'recover'],
    ];
    const statuses = programs.map(async (program, index) => {
      const name = `bare-${index}`;
      await docker('run', '--name', name, '--network', 'none', ...hardening, images.tallyman, ...program).catch(
        () => '',
      );
      return exitOf(engineOr(context), name);
    });
    expect(await Promise.all(statuses)).toEqual(programs.map(() => 78));
  });

  it('has what the spool locks its folder with', async (context) => {
    const code = `
      import { spawnSync } from 'node:child_process';
      console.log(spawnSync('flock', ['--version']).status);`;
    expect(await inImage(engineOr(context), code)).toBe('0');
  });

  it.for([
    ['sidecar/sidecar.yaml', '/spool', '/spool'],
    ['node-publisher/daemonset.yaml', '/spools', '/spools/node'],
  ] as const)(
    'gives folders of the node away as %s says, with the rights it says, also a second time',
    async ([file, at, inside], context) => {
      const { docker } = engineOr(context);
      const manifest = parseAllDocuments(
        await readFile(join(root, 'k8s/components', file), 'utf8'),
      )[0]?.toJS() as unknown;
      const [first] = listAt(manifest, 'spec.template.spec.initContainers');
      const args = listAt(first, 'args').map(String);
      const rights = listAt(first, 'securityContext.capabilities.add').flatMap((right) => ['--cap-add', String(right)]);
      const folder = join(nursery.folder, basename(file, '.yaml'));
      await mkdir(folder, { mode: 0o750 });
      const options = [...hardening, '--rm', '--network', 'none', '--volume', `${folder}:${at}`];
      for (let start = 0; start < 2; start++)
        await docker('run', ...options, '--user', '0', ...rights, images.tallyman, ...args);
      const write = `require('node:fs').writeFileSync('${inside}/x', ''); console.log('written');`;
      expect(await docker('run', ...options, images.tallyman, '--eval', write)).toBe('written');
    },
  );
});

describe('a system in containers', () => {
  const theStack = async (context: TestContext): Promise<Stack> => {
    stack ??= await startStack(engineOr(context), images);
    return stack;
  };

  it('keeps broker and Redis from whoever is not on their networks', { timeout: setupMs }, async (context) => {
    const { start, evaluate, addressOf } = await theStack(context);
    await start({
      name: 'outsider',
      networks: [networks.outside],
      command: [images.tallyman, '--eval', 'process.on("SIGTERM", () => process.exit()); setInterval(() => {}, 1e6)'],
    });
    const connects = (from: string, host: string, port: number) =>
      evaluate(
        from,
        `import { connect } from 'node:net';
         const socket = connect({ host: ${JSON.stringify(host)}, port: ${port}, timeout: 2000 });
         const end = (answer) => { console.log(answer); process.exit(); };
         socket.once('connect', () => end('connected')).once('timeout', () => end('silence')).once('error', ({ code }) => end(code));`,
      );
    const broker = await addressOf('broker', networks.broker);
    const redis = await addressOf('redis', networks.state);
    // The probe can tell: a consumer reaches both.
    expect(await connects('consumer-1', broker, 5672)).toBe('connected');
    expect(await connects('consumer-1', redis, 6379)).toBe('connected');
    expect(await connects('outsider', broker, 5672)).not.toBe('connected');
    expect(await connects('outsider', redis, 6379)).not.toBe('connected');
    expect(await connects('outsider', 'broker', 5672)).not.toBe('connected');
    // Whoever has taken over an application has the broker's network, and nothing else.
    expect(await connects('sidecar', redis, 6379)).not.toBe('connected');
    expect(await connects('sidecar', await addressOf('simulator', networks.outside), 7073)).not.toBe('connected');
  });

  it(
    'bills everything once while containers are killed and drained under load',
    { timeout: setupMs },
    async (context) => {
      const { docker } = engineOr(context);
      const { consumers, start, evaluate, untilReady } = await theStack(context);
      const [killed = '', drained = '', frozen = ''] = consumers;
      const look = async (): Promise<SendLine> => lastLine(await docker('logs', 'app')) ?? { durable: 0 };
      const untilDurable = (share: number) =>
        until(async () => expect((await look()).durable).toBeGreaterThan(events * share), patient);

      await start(appOptions(images, events));
      await untilDurable(0.1);
      await docker('kill', killed);
      await untilDurable(0.25);
      await docker('stop', '--time', '30', drained);
      expect(await exitOf(engineOr(context), drained), 'SIGTERM reaches it, and it drains').toBe(0);
      await docker('start', killed);
      await untilDurable(0.4);
      await docker('kill', 'sidecar');
      await docker('start', 'sidecar');
      await untilReady('sidecar');
      await untilDurable(0.6);
      await docker('pause', frozen);
      await docker('start', drained);
      await untilDurable(0.8);
      await docker('unpause', frozen);
      await Promise.all(consumers.map(untilReady));

      expect(await docker('wait', 'app')).toBe('0');
      const sent = owedOf(await look());
      const ledger = async (): Promise<Ledger> =>
        JSON.parse(
          await evaluate('simulator', `console.log(await (await fetch('http://127.0.0.1:7073/_sim/ledger')).text())`),
        ) as Ledger;
      expect(sent.reduce((sum, owed) => sum + owed.events, 0)).toBe(events);
      await until(async () => expect(audit(sent, await ledger()).differences.slice(0, 5)).toEqual([]), patient);

      // Once nobody runs any more, nothing can be billed late or twice: only then is the audit final.
      await docker('stop', '--time', '40', 'sidecar');
      await docker('stop', '--time', '40', ...consumers);
      const statuses = await Promise.all(['sidecar', ...consumers].map((name) => exitOf(engineOr(context), name)));
      expect(statuses).toEqual([0, 0, 0, 0]);
      const final = await ledger();
      expect(audit(sent, final).differences).toEqual([]);
      expect(final.concurrencyViolations).toBe(0);
    },
  );
});

describe('the laptop of k8s/README.md', () => {
  it('can be pasted: compose brings a system up, and an event is billed', { timeout: setupMs }, async (context) => {
    const { docker } = engineOr(context);
    const left = (await docker('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
    if (left.length > 0) await docker('rm', '--force', ...left);
    const { blocks, run } = await openLaptop(engineOr(context), nursery, images);
    const [send = '', look = '', more = ''] = blocks;
    expect(blocks).toHaveLength(3);
    expect(await run(send)).toContain('202 {"accepted":1,"duplicates":0,"rejected":[]}');
    await until(async () => expect(await run(look)).toContain("value: '3'"), patient);
    const consumers = await docker('ps', '--quiet', '--filter', 'label=com.docker.compose.service=consumer');
    expect(consumers.split('\n')).toHaveLength(3);

    const books = (await run(more)).split('\n').findLast((line) => line.startsWith('{')) ?? '';
    const first: Owed = { customer: 'cus_123', meter: 'api_calls', formula: 'sum', units: 30_000n, events: 1 };
    const sent = [first, ...owedOf(lastLine(books) ?? { durable: 0 })];
    expect(sent.reduce((sum, owed) => sum + owed.events, 0)).toBe(1_001);
    const ledger = async (): Promise<Ledger> =>
      JSON.parse(
        await run(
          `docker compose exec simulator node --eval "fetch('http://127.0.0.1:7073/_sim/ledger').then((answer) => answer.text()).then(console.log)"`,
        ),
      ) as Ledger;
    await until(async () => expect(audit(sent, await ledger()).differences.slice(0, 5)).toEqual([]), patient);
    await run('docker compose down --volumes');
    expect(await docker('ps', '--all', '--quiet')).toBe('');
  });
});
