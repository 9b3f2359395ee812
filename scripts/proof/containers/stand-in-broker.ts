import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Nursery } from '../../../shared/testing/nursery.ts';

/** Of the broker in the test, whichever it is; the same as in compose.yaml. */
export const brokerUser = 'tallyman';
export const brokerPassword = 'development';

/** How Debian's RabbitMQ is started in a container, where LavinMQ cannot be pulled. */
export interface StandInBroker {
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  /** A volume, `FROM:TO`. */
  readonly volume: string;
}

const folderInside = '/usr/lib/rabbitmq/bin';
export const healthCheck = [`${folderInside}/rabbitmq-diagnostics`, '-q', 'check_port_connectivity'];

export async function standInBroker(nursery: Nursery): Promise<StandInBroker> {
  const folder = join(nursery.folder, 'rabbitmq');
  await mkdir(folder, { recursive: true });
  const lines = [
    'listeners.tcp.default = 5672',
    `default_user = ${brokerUser}`,
    `default_pass = ${brokerPassword}`,
    'log.console.level = warning',
  ];
  await writeFile(join(folder, 'rabbitmq.conf'), `${lines.join('\n')}\n`);
  return {
    program: `${folderInside}/rabbitmq-server`,
    env: { RABBITMQ_CONFIG_FILE: '/config/rabbitmq.conf', RABBITMQ_LOGS: '-', HOME: '/var/lib/rabbitmq' },
    volume: `${folder}:/config:ro`,
  };
}
