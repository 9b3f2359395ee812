import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { plainEnvironment } from '../../../shared/testing/child.ts';
import { brokerImage, redisImage } from '../../../shared/testing/containers.ts';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { type Engine, findProgram, NoEngine } from './engine.ts';

/** The images of the test: pulled where a registry answers; else one made of Debian's packages, npm and this project's own Node. */
export interface Images {
  /** The product's own, once `buildTallyman` has built it by the Dockerfile. */
  readonly tallyman: string;
  /** The simulator and the load, of the same Dockerfile. */
  readonly laboratory: string;
  /** What it is built on. */
  readonly base: string;
  readonly broker: { readonly image: string; readonly kind: 'lavinmq' | 'rabbitmq' };
  readonly redis: string;
  /** For people: what stands in for what. */
  readonly description: string;
}

const run = promisify(execFile);
const projectFolder = resolve(import.meta.dirname, '../../..');
const nodeImage = 'node:24-slim';
const npmVersion = '11';
const installTimeoutMs = 400_000;
const certificates = '/etc/ssl/certs/ca-certificates.crt';

export async function makeImages(engine: Engine, nursery: Nursery): Promise<Images> {
  const [node, lavinmq, redis] = await pulled(engine, nodeImage, brokerImage, redisImage);
  const isMissing = [node, lavinmq, redis].includes(undefined);
  const standIn = isMissing ? await makeStandIn(engine, nursery) : '';
  const names = [
    node ?? `this project's Node on Debian, since ${nodeImage} cannot be pulled`,
    lavinmq ?? `Debian's RabbitMQ, since ${brokerImage} cannot be pulled`,
    redis ?? `Debian's Redis, since ${redisImage} cannot be pulled`,
  ];
  return {
    tallyman: 'tallyman',
    laboratory: 'tallyman-laboratory',
    base: node ?? standIn,
    broker: { image: lavinmq ?? standIn, kind: lavinmq === undefined ? 'rabbitmq' : 'lavinmq' },
    redis: redis ?? standIn,
    description: names.join('; '),
  };
}

/** The second one is made of what the first has left in the engine's cache. */
export async function buildTallyman({ docker }: Engine, { base, tallyman, laboratory }: Images): Promise<void> {
  const options = ['--quiet', '--network', 'host', '--build-arg', `BASE_IMAGE=${base}`];
  await docker('build', ...options, '--tag', tallyman, projectFolder);
  await docker('build', ...options, '--target', 'laboratory', '--tag', laboratory, projectFolder);
}

/** The name of each image, or undefined if it cannot be pulled. If the first one cannot, the others are not tried. */
async function pulled(engine: Engine, first: string, ...others: readonly string[]): Promise<(string | undefined)[]> {
  const pull = (image: string) =>
    engine.docker('pull', '--quiet', image).then(
      () => image,
      () => undefined,
    );
  const answer = await pull(first);
  return [answer, ...(answer === undefined ? others.map(() => undefined) : await Promise.all(others.map(pull)))];
}

/** Node, npm, RabbitMQ and Redis on a small Debian of this machine's release. */
async function makeStandIn(engine: Engine, nursery: Nursery): Promise<string> {
  const mmdebstrap = findProgram('mmdebstrap');
  if (mmdebstrap === undefined)
    throw new NoEngine('no image can be pulled, and there is no mmdebstrap to make one with');

  const tree = join(nursery.folder, 'tree');
  const local = join(tree, 'usr/local');
  mkdirSync(join(local, 'bin'), { recursive: true });
  cpSync(realpathSync(process.execPath), join(local, 'bin/node'));
  const npm = ['install', '--prefix', local, '--no-save', '--no-audit', '--no-fund', `npm@${npmVersion}`];
  const orNone = (what: string) => (error: unknown) => {
    throw new NoEngine(`no image can be pulled, and none can be made: ${what} failed`, { cause: error });
  };
  await run('npm', npm, { cwd: local, timeout: installTimeoutMs }).catch(orNone('npm install npm'));
  const archive = join(nursery.folder, 'debian.tar');
  const { stdout: release } = await run('sh', ['-c', '. /etc/os-release && printf %s "$VERSION_CODENAME"']);
  const hooks = [
    `copy-in ${join(tree, 'usr')} /`,
    'chroot "$1" ln -s ../node_modules/npm/bin/npm-cli.js /usr/local/bin/npm',
    // Whoever signs for this machine's registry has to be believed in there as well.
    ...(existsSync(certificates) ? [`upload ${certificates} ${certificates}`] : []),
  ];
  await run(
    mmdebstrap,
    [
      ...['--mode=root', '--variant=essential', '--format=tar', '--quiet'],
      '--include=ca-certificates,libstdc++6,rabbitmq-server,redis-server',
      ...hooks.map((hook) => `--customize-hook=${hook}`),
      // Nobody reads manuals in a test, nor is any of it kept: no syncing of each file.
      '--dpkgopt=force-unsafe-io',
      ...['--dpkgopt=path-exclude=/usr/share/man/*', '--dpkgopt=path-exclude=/usr/share/doc/*'],
      release,
      archive,
    ],
    { timeout: installTimeoutMs, env: { ...plainEnvironment(), PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
  ).catch(orNone('mmdebstrap'));
  const image = 'tallyman-stand-in:test';
  const trust = existsSync(certificates) ? ['--change', `ENV NODE_EXTRA_CA_CERTS=${certificates}`] : [];
  await engine.docker('import', ...trust, archive, image);
  return image;
}
