import type { ChannelModel } from 'amqplib';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { brokerFault } from '../../shared/amqp/broker-fault.ts';
import { dialBroker } from '../../shared/amqp/dial.ts';
import { ConfigError, type Environment, readSettings, type Secret } from '../../shared/config/config.ts';
import { settings } from '../../shared/config/settings.ts';
import { type Fault, messageOf } from '../../shared/network/fault.ts';
import { movedTo, redisAddress } from '../../shared/redis/client.ts';
import { redisFault } from '../../shared/redis/redis-fault.ts';
import { topologyKey } from '../../shared/topology/names.ts';
import { TopologyError } from '../../shared/topology/record.ts';
import type { TopologyPlace } from '../../shared/topology/verify.ts';
import { exitCodes } from './program.ts';

const answerTimeoutMs = 10_000;

class Unavailable extends Error {}

export interface RedisPlace {
  readonly redis: Redis;
  readonly namespace: string;
}

/** Like `onBacking`, for what needs Redis alone. */
export async function onRedis(env: Environment, run: (place: RedisPlace) => Promise<number>): Promise<number> {
  try {
    const { redisUrl, ca, namespace } = settings;
    const config = readSettings('scripts', env, { redisUrl, ca, namespace }).values();
    const redis = await connectToRedis(config);
    try {
      return await run({ redis, namespace: config.namespace });
    } finally {
      redis.disconnect();
    }
  } catch (error) {
    return explain(error);
  }
}

/**
 * Connects once to the broker and to Redis, as the environment says, and runs a command on them. Resolves with the exit
 * code; whatever went wrong is one message on stderr, without credentials.
 */
export async function onBacking(env: Environment, run: (place: TopologyPlace) => Promise<number>): Promise<number> {
  try {
    const { amqpUrl, redisUrl, ca, namespace, shards } = settings;
    const config = readSettings('scripts', env, { amqpUrl, redisUrl, ca, namespace, shards }).values();
    const redis = await connectToRedis(config);
    try {
      const connection = await connectToBroker(config);
      try {
        return await run({ channels: connection, redis, namespace: config.namespace, shards: config.shards });
      } finally {
        await connection.close().catch(() => {
          // It broke before; what ran on it has failed with the reason.
        });
      }
    } finally {
      redis.disconnect();
    }
  } catch (error) {
    return explain(error);
  }
}

/** What can be reached of broker and Redis; of one that cannot, a sentence that says why. */
export interface Reached {
  readonly channels: ChannelModel | string;
  readonly redis: Redis | string;
  readonly namespace: string;
  readonly shards: number;
}

/** Like `onBacking`, for what looks at one of them though the other does not answer, and soon. */
export async function onEither(env: Environment, run: (place: Reached) => Promise<number>): Promise<number> {
  try {
    const { amqpUrl, redisUrl, ca, namespace, shards } = settings;
    const config = readSettings('scripts', env, { amqpUrl, redisUrl, ca, namespace, shards }).values();
    const [redis, channels] = await Promise.all([
      orWhyNot(connectToRedis(config, undefined, soonMs), unreachable('Redis', 'REDIS_URL', config.redisUrl, silent)),
      orWhyNot(connectToBroker(config, soonMs), unreachable('The broker', 'AMQP_URL', config.amqpUrl, silent)),
    ]);
    try {
      return await run({ channels, redis, namespace: config.namespace, shards: config.shards });
    } finally {
      if (typeof redis !== 'string') redis.disconnect();
      // One that does not answer does not answer this either, and a process that ends closes its connections.
      if (typeof channels !== 'string') await Promise.race([channels.close().catch(() => undefined), sleep(closeMs)]);
    }
  } catch (error) {
    return explain(error);
  }
}

const soonMs = 4_000;
const closeMs = 500;
const silent: Fault = { reason: 'silent', words: `it gave no answer within ${soonMs / 1_000} s.` };

/** At the latest half a second after what it should have taken. */
async function orWhyNot<Connection>(connecting: Promise<Connection>, late: string): Promise<Connection | string> {
  const known = connecting.catch((error: unknown) => {
    if (error instanceof Unavailable) return error.message;
    throw error;
  });
  return Promise.race([known, sleep(soonMs + closeMs, late, { ref: false })]);
}

function explain(error: unknown): number {
  if (error instanceof ConfigError || error instanceof TopologyError) {
    for (const fault of error.faults) console.error(fault);
    return error instanceof ConfigError ? exitCodes.config : exitCodes.refused;
  }
  if (error instanceof Unavailable) {
    console.error(error.message);
    return exitCodes.unavailable;
  }
  console.error(`${messageOf(error)}\nIt is not known how far this came; running it again is safe.`);
  return exitCodes.refused;
}

interface Place {
  readonly amqpUrl: Secret;
  readonly redisUrl: Secret;
  readonly ca: Secret | undefined;
  readonly namespace: string;
}

/** Of a Redis Cluster with one shard the primary: any other node names it instead of an answer. */
async function connectToRedis(
  place: Omit<Place, 'amqpUrl'>,
  primary?: { host: string; port: number },
  timeoutMs = answerTimeoutMs,
): Promise<Redis> {
  const { redisUrl: url, ca, namespace } = place;
  const redis = new Redis({
    ...redisAddress(url, ca),
    ...primary,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    protocol: 2,
  });
  let lastError: unknown;
  redis.on('error', (error) => {
    lastError = error;
  });
  try {
    await redis.connect();
    await redis.exists(topologyKey(namespace));
    return redis;
  } catch (error) {
    redis.disconnect();
    const moved = movedTo(error);
    if (moved !== undefined && primary === undefined) return connectToRedis(place, moved, timeoutMs);
    throw new Unavailable(unreachable('Redis', 'REDIS_URL', url, redisFault(lastError ?? error)));
  }
}

async function connectToBroker({ amqpUrl: url, ca }: Place, timeoutMs = answerTimeoutMs): Promise<ChannelModel> {
  try {
    const connection = await dialBroker(url.reveal(), { ca, timeoutMs });
    connection.on('error', () => {
      // Whoever waits for an answer is rejected with the same error.
    });
    return connection;
  } catch (error) {
    throw new Unavailable(unreachable('The broker', 'AMQP_URL', url, brokerFault(error)));
  }
}

function unreachable(what: string, setting: string, url: Secret, { words }: Fault): string {
  const { host } = new URL(url.reveal());
  return `${what} at ${host} (${setting}) cannot be used: ${words} Nothing was changed.`;
}
