import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { plainEnvironment } from '../../../shared/testing/child.ts';
import { redisImage } from '../../../shared/testing/containers.ts';
import type { Nursery } from '../../../shared/testing/nursery.ts';
import { type Engine, findProgram } from './engine.ts';
import type { Images } from './images.ts';
import { healthCheck, standInBroker } from './stand-in-broker.ts';

/** What k8s/README.md says for a laptop, run as it stands there, on the engine of the test. */
export interface Laptop {
  /** The blocks of commands, in their order. */
  readonly blocks: readonly string[];
  /** Runs a block in a shell; resolves with what it printed. */
  readonly run: (block: string) => Promise<string>;
}

const execute = promisify(execFile);
const projectFolder = resolve(import.meta.dirname, '../../..');
const section = /## On a laptop, with compose\n([^]*?)\n## /;
const blockTimeoutMs = 300_000;

export async function openLaptop(engine: Engine, nursery: Nursery, images: Images): Promise<Laptop> {
  const folder = join(nursery.folder, 'laptop');
  await mkdir(folder);
  const override = join(folder, 'override.yaml');
  await writeFile(override, stringify(await substitutes(images, nursery)));
  // Compose is a plugin of Docker today; Debian 12 has it as a program of its own, which wants to be told that there is no terminal.
  const shim = join(folder, 'docker');
  const client = findProgram('docker') ?? 'docker';
  await writeFile(
    shim,
    `#!/bin/sh
[ "$1" = compose ] || exec ${client} "$@"
${client} compose version >/dev/null 2>&1 && exec ${client} "$@"
shift
case $1 in run | exec) verb=$1; shift; set -- "$verb" -T "$@" ;; esac
exec docker-compose "$@"
`,
  );
  await chmod(shim, 0o755);
  const env = {
    ...plainEnvironment(),
    PATH: `${folder}:${process.env['PATH'] ?? ''}`,
    DOCKER_HOST: engine.host,
    DOCKER_CONFIG: nursery.folder,
    COMPOSE_FILE: `${join(projectFolder, 'compose.yaml')}:${override}`,
    COMPOSE_PROJECT_NAME: 'laptop',
  };
  const readme = await readFile(join(projectFolder, 'k8s/README.md'), 'utf8');
  const [, text = ''] = section.exec(readme) ?? [];
  return {
    blocks: [...text.matchAll(/```\n([^]*?)```/g)].map(([, block = '']) => block),
    async run(block) {
      const { stdout } = await execute('sh', ['-ec', block], { cwd: projectFolder, env, timeout: blockTimeoutMs });
      return stdout;
    },
  };
}

/** What takes the place of images that cannot be pulled; nothing else of compose.yaml changes. */
async function substitutes({ base, broker, redis }: Images, nursery: Nursery): Promise<object> {
  const build = { args: { BASE_IMAGE: base }, network: 'host' };
  const ours = ['simulator', 'topology', 'publisher-1', 'publisher-2', 'consumer', 'app'];
  const services: Record<string, object> = Object.fromEntries(ours.map((name) => [name, { build }]));
  if (redis !== redisImage) services['redis'] = { image: redis, working_dir: '/data' };
  if (broker.kind === 'rabbitmq') {
    const { program, env, volume } = await standInBroker(nursery);
    const healthcheck = { test: ['CMD', ...healthCheck], timeout: '30s' };
    services['broker'] = {
      image: broker.image,
      entrypoint: [program],
      environment: env,
      volumes: [volume],
      healthcheck,
    };
  }
  return { services };
}
