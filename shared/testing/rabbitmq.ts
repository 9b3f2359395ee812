import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { probeBroker } from './amqp-probe.ts';
import type { CertificateFiles } from './authority.ts';
import type { Recipe } from './backing-service.ts';
import { plainEnvironment } from './child.ts';
import { findEpmd, findRabbitmqctl } from './executables.ts';
import type { Nursery } from './nursery.ts';
import { askPort, freePort } from './ports.ts';
import { until } from './until.ts';

interface RabbitmqOptions {
  readonly management?: boolean;
  readonly tls?: CertificateFiles;
}

/** RabbitMQ's command line, at this broker: what it prints. */
export type RabbitmqControl = (...args: readonly string[]) => Promise<string>;

/**
 * RabbitMQ as a private child: data, cookie, plugins and configuration in the nursery's folder, nothing of /etc or /var.
 *
 * Erlang's port mapper (epmd) is started by us, in the foreground: the one that RabbitMQ would start itself is a daemon that
 * outlives it. `RABBITMQ_ALLOW_INPUT` makes the start script become the Erlang VM instead of waiting beside it,
 * so that the child's pid is the broker's.
 */
export async function rabbitmqRecipe(
  nursery: Nursery,
  command: string,
  { management = false, tls }: RabbitmqOptions,
): Promise<Recipe & { readonly managementUrl: string | undefined; readonly control: RabbitmqControl }> {
  const [port, distributionPort, epmdPort, httpPort, tlsPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const name = `rabbitmq-${port}`;
  const folder = join(nursery.folder, name);
  const configFile = join(folder, 'rabbitmq.conf');
  const pluginsFile = join(folder, 'enabled_plugins');
  const noFile = join(folder, 'none');
  await mkdir(folder, { recursive: true });
  await writeFile(
    configFile,
    configuration(port, management ? httpPort : undefined, tls === undefined ? undefined : { ...tls, port: tlsPort }),
  );
  await writeFile(pluginsFile, management ? '[rabbitmq_management].\n' : '[].\n');

  const env = {
    ...plainEnvironment(),
    HOME: folder,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_NODENAME: `${name}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    // Erlang's distribution listens on every address of the machine unless told otherwise.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_BASE: folder,
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: configFile,
    RABBITMQ_CONF_ENV_FILE: noFile,
    RABBITMQ_ADVANCED_CONFIG_FILE: noFile,
    RABBITMQ_ENABLED_PLUGINS_FILE: pluginsFile,
  };
  const epmd = await startPortMapper(nursery, `epmd-${port}`, epmdPort);

  return {
    name: 'RabbitMQ',
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    tlsUrl: tls === undefined ? undefined : `amqps://guest:guest@127.0.0.1:${tlsPort}`,
    dataFolder: join(folder, 'mnesia'),
    managementUrl: management ? `http://guest:guest@127.0.0.1:${httpPort}` : undefined,
    control: (...args) => control(args, env),
    launch: () => nursery.spawn(name, command, ['-noinput'], { env }),
    probe: () => probeBroker(port),
    async dispose() {
      await epmd.kill('SIGKILL');
    },
  };
}

async function control(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const command = findRabbitmqctl();
  if (command === undefined) throw new Error('rabbitmq-server is here, but rabbitmqctl is not');
  const { RABBITMQ_NODENAME = '' } = env;
  const { stdout } = await promisify(execFile)(command, ['--quiet', '-n', RABBITMQ_NODENAME, ...args], { env });
  return stdout;
}

function configuration(
  port: number,
  httpPort: number | undefined,
  tls: (CertificateFiles & { port: number }) | undefined,
): string {
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'log.console.level = warning',
    'disk_free_limit.absolute = 50MB',
    // The usual strategy reads /proc, and the broker does not start where there is none.
    'vm_memory_calculation_strategy = allocated',
  ];
  if (httpPort !== undefined) lines.push('management.tcp.ip = 127.0.0.1', `management.tcp.port = ${httpPort}`);
  if (tls !== undefined) {
    lines.push(`listeners.ssl.1 = 127.0.0.1:${tls.port}`, 'ssl_options.verify = verify_none');
    lines.push(
      `ssl_options.cacertfile = ${tls.ca}`,
      `ssl_options.certfile = ${tls.certificate}`,
      `ssl_options.keyfile = ${tls.key}`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

async function startPortMapper(nursery: Nursery, name: string, port: number) {
  const command = findEpmd();
  if (command === undefined)
    throw new Error('rabbitmq-server is here, but epmd is not: the Erlang installation is incomplete');
  const epmd = await nursery.spawn(name, command, ['-address', '127.0.0.1', '-port', String(port)], {
    env: plainEnvironment(),
  });
  // NAMES_REQ: two bytes of length, then 110 ("n"). The answer begins with the mapper's own port.
  await until(() => askPort(port, Uint8Array.from([0, 1, 110])));
  return epmd;
}
