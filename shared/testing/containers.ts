import { createHash, randomBytes } from 'node:crypto';
import {
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  Wait,
  type ContainerRuntimeClient,
  type PortWithBinding,
} from 'testcontainers';
import { probeBroker } from './amqp-probe.ts';
import type { BackingService } from './backing-service.ts';
import { askPort, freePort } from './ports.ts';
import { until } from './until.ts';

export const brokerImage = 'cloudamqp/lavinmq:2.9.1';
export const redisImage = 'redis:7';

/** Publishes ports on loopback only: a private broker is nobody else's. */
class LoopbackContainer extends GenericContainer {
  publish(...ports: readonly PortWithBinding[]): this {
    this.withExposedPorts(...ports);
    this.hostConfig.PortBindings = Object.fromEntries(
      ports.map(({ container, host }) => [`${container}/tcp`, [{ HostIp: '127.0.0.1', HostPort: String(host) }]]),
    );
    return this;
  }
}

/** A broker of `broker.ts`. */
interface BrokerContainer extends BackingService {
  readonly kind: 'lavinmq';
  readonly managementUrl: string;
}

/** LavinMQ in a container, with a password of its own: the image would let `guest` in from anywhere. */
export async function startBrokerContainer(): Promise<BrokerContainer> {
  const [port, httpPort] = await Promise.all([freePort(), freePort()]);
  const password = randomBytes(16).toString('hex');
  const container = new LoopbackContainer(brokerImage)
    .withEnvironment({ LAVINMQ_DEFAULT_USER: 'tallyman', LAVINMQ_DEFAULT_PASSWORD: hashPassword(password) })
    .publish({ container: 5672, host: port }, { container: 15672, host: httpPort });
  const service = await startContainer(container, brokerImage, () => probeBroker(port));
  return {
    ...service,
    url: `amqp://tallyman:${password}@127.0.0.1:${port}`,
    managementUrl: `http://tallyman:${password}@127.0.0.1:${httpPort}`,
    kind: 'lavinmq',
  };
}

export async function startRedisContainer(appendfsync: string): Promise<BackingService> {
  const port = await freePort();
  const password = randomBytes(16).toString('hex');
  const container = new LoopbackContainer(redisImage)
    .withCommand([
      'redis-server',
      '--appendonly',
      'yes',
      '--appendfsync',
      appendfsync,
      '--save',
      '',
      '--requirepass',
      password,
    ])
    .publish({ container: 6379, host: port });
  const service = await startContainer(container, redisImage, async () => {
    const answer = (await askPort(port, `AUTH ${password}\r\n`)).toString();
    if (!answer.startsWith('+OK')) throw new Error(`Redis answered ${answer.trim()}`);
  });
  return { ...service, url: `redis://:${password}@127.0.0.1:${port}` };
}

/**
 * Resolves once an engine answers and has, or has pulled, these images; else rejects with what is missing. A pull may take
 * minutes, so `onPull` is told.
 */
export async function requireImages(images: readonly string[], onPull?: (image: string) => void): Promise<void> {
  const client = await connectEngine();
  for (const image of images) {
    const name = ImageName.fromString(image);
    if (await client.image.exists(name)) continue;
    onPull?.(image);
    await client.image.pull(name).catch((error: unknown) => {
      throw new Error(`the container engine answers, but the image ${image} is not there and cannot be pulled`, {
        cause: error,
      });
    });
  }
}

function connectEngine(): Promise<ContainerRuntimeClient> {
  return getContainerRuntimeClient().catch((error: unknown) => {
    throw new Error('no container engine answers: Docker is not installed, not running, or not ours to use', {
      cause: error,
    });
  });
}

async function startContainer(
  definition: GenericContainer,
  image: string,
  probe: () => Promise<void>,
): Promise<Omit<BackingService, 'url'>> {
  await requireImages([image]);
  const started = await definition.withWaitStrategy(Wait.forListeningPorts()).start();
  await until(probe, { deadlineMs: 60_000 });
  const client = await connectEngine();
  const container = client.container.getById(started.getId());
  return {
    async kill(signal = 'SIGKILL') {
      const gone = container.wait();
      await container.kill({ signal });
      await gone;
    },
    async start() {
      await container.start();
      await until(probe, { deadlineMs: 60_000 });
    },
    freeze: () => container.pause(),
    thaw: () => container.unpause(),
    async stop() {
      await started.stop();
    },
  };
}

/** LavinMQ's and RabbitMQ's form of a hashed password: base64 of a 4-byte salt and SHA-256 over salt and password. */
export function hashPassword(password: string): string {
  const salt = randomBytes(4);
  const digest = createHash('sha256').update(salt).update(password, 'utf8').digest();
  return Buffer.concat([salt, digest]).toString('base64');
}
