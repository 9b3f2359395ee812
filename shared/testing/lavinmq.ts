import { join } from 'node:path';
import { probeBroker } from './amqp-probe.ts';
import type { CertificateFiles } from './authority.ts';
import type { Recipe } from './backing-service.ts';
import { plainEnvironment } from './child.ts';
import type { Nursery } from './nursery.ts';
import { freePort } from './ports.ts';

/** LavinMQ as a private child. Every port that it would open by default is moved or closed, so that many fit on a machine. */
export async function lavinmqRecipe(
  nursery: Nursery,
  command: string,
  tls?: CertificateFiles,
): Promise<Recipe & { readonly managementUrl: string }> {
  const [port, httpPort, clusteringPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const tlsPort = tls === undefined ? undefined : await freePort();
  const name = `lavinmq-${port}`;
  const dataFolder = join(nursery.folder, name, 'data');
  const args = [
    ...['-D', dataFolder, '-b', '127.0.0.1', '-p', String(port)],
    ...[`--http-port=${httpPort}`, '--mqtt-port=-1', '--metrics-http-port=-1'],
    ...[`--control-unix-path=${join(nursery.folder, `${name}.sock`)}`, `--clustering-port=${clusteringPort}`],
    ...(tls === undefined
      ? []
      : [`--amqps-port=${tlsPort}`, `--cert=${tls.certificate}`, `--key=${tls.key}`, '--https-port=-1']),
  ];
  return {
    name: 'LavinMQ',
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    tlsUrl: tlsPort === undefined ? undefined : `amqps://guest:guest@127.0.0.1:${tlsPort}`,
    dataFolder,
    managementUrl: `http://guest:guest@127.0.0.1:${httpPort}`,
    launch: () => nursery.spawn(name, command, args, { env: plainEnvironment() }),
    probe: () => probeBroker(port),
  };
}
