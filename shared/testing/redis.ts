import { join } from 'node:path';
import type { CertificateFiles } from './authority.ts';
import { plainEnvironment } from './child.ts';
import { startBackingService, type BackingOptions, type BackingService, type Recipe } from './backing-service.ts';
import { findRedis } from './executables.ts';
import type { Nursery } from './nursery.ts';
import { askPort, freePort } from './ports.ts';

export interface RedisOptions extends BackingOptions {
  /** How often the append-only file is synced. The journal needs `always`; other values are for tests of the refusal. */
  readonly appendfsync?: 'always' | 'everysec' | 'no';
  /** In cluster mode, without a slot yet: it then refuses whatever a Redis Cluster would. Not in a container. */
  readonly cluster?: boolean;
}

/** Starts a private Redis (or Valkey) with an append-only file: from PATH, else in a container. */
export async function startRedis(options: RedisOptions = {}): Promise<BackingService> {
  const command = findRedis();
  const appendfsync = options.appendfsync ?? 'always';
  if (command === undefined) {
    // Imported only here: the container library takes half a second to load.
    const { startRedisContainer } = await import('./containers.ts');
    return startRedisContainer(appendfsync);
  }
  const { service } = await startBackingService(options, (nursery) =>
    redisRecipe(nursery, command, appendfsync, options),
  );
  return service;
}

async function redisRecipe(
  nursery: Nursery,
  command: string,
  appendfsync: string,
  { cluster = false, tls }: RedisOptions,
): Promise<Recipe> {
  const [port, tlsPort] = await Promise.all([freePort(), freePort()]);
  const name = `redis-${port}`;
  // Its working directory is the data directory as well.
  const args = [
    ...['--bind', '127.0.0.1', '--port', String(port), '--daemonize', 'no'],
    ...['--appendonly', 'yes', '--appendfsync', appendfsync, '--save', ''],
    ...(cluster ? ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())] : []),
    ...(tls === undefined ? [] : tlsArguments(tlsPort, tls)),
  ];
  return {
    name: 'Redis',
    url: `redis://127.0.0.1:${port}`,
    tlsUrl: tls === undefined ? undefined : `rediss://127.0.0.1:${tlsPort}`,
    dataFolder: join(nursery.folder, name),
    launch: () => nursery.spawn(name, command, args, { env: plainEnvironment() }),
    async probe() {
      const answer = (await askPort(port, 'PING\r\n')).toString();
      if (!answer.startsWith('+PONG')) throw new Error(`Redis answered ${answer.trim()}`);
    },
  };
}

/** Clients need no certificate of their own. */
function tlsArguments(port: number, { ca, certificate, key }: CertificateFiles): readonly string[] {
  return [
    ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', ca],
  ];
}
