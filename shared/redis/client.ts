/**
 * The connection to Redis. It reconnects for ever; a command never does: whatever was not answered is rejected, at the
 * latest after `commandTimeoutMs`, and never sent again behind its caller's back. Only the caller knows whether a
 * repetition is harmless (invariant 2: an unanswered commit is repeated by the shard, byte for byte).
 *
 * A rejected command may have been carried out, unless it was rejected because there was no connection.
 *
 * Of a Redis Cluster with one shard (MemoryDB) it follows the primary: a replica, or a primary that is none any more, answers
 * MOVED and carries nothing out; then the next connection goes to the node that it names, and the one after that to the
 * address of the URL again.
 */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import type { Secret } from '../config/secret.ts';
import { trust } from '../tls/trust.ts';
import type { Logger } from '../log/log.ts';
import { Troubles } from '../log/troubles.ts';
import { messageOf } from '../network/fault.ts';
import { delayMs } from '../retry/delay.ts';
import { redisFault } from './redis-fault.ts';

export type { Redis };

export interface RedisClientOptions {
  /** Trusted for `rediss://`, beside the public CAs; read again before every attempt. */
  readonly ca?: Secret | undefined;
  /** Shown in Redis's `CLIENT LIST`. */
  readonly name: string;
  readonly log: Logger;
  /** Where it is told that Redis is away, so that it is among the remarks of `/readyz`. */
  readonly troubles?: Troubles;
  readonly commandTimeoutMs?: number;
  readonly random?: () => number;
}

const defaultCommandTimeoutMs = 5_000;
const reconnectPolicy = { baseMs: 100, maxMs: 3_000 };
/** A replica refuses every write: it is not left more often than this, or each of them would cost a connection. */
const readOnlyPatienceMs = 1_000;

/** Connects at once and in the background: see `untilReady`. Ends with `disconnect()`. */
export function connectRedis(url: Secret, options: RedisClientOptions): Redis {
  const { log, name, ca, commandTimeoutMs = defaultCommandTimeoutMs, random = Math.random } = options;
  let primary: Node | undefined;
  let leftAtMs = -Infinity;
  const redis = new Redis({
    ...redisAddress(url, ca),
    connectionName: name,
    // A right that Tallyman's user of Redis does not have, and no use without it.
    disableClientInfo: true,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    // 0: what was unanswered when a connection broke is rejected then, not after further attempts.
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    // A peer that is gone without a word: the connection is given up, so that a new one is tried.
    socketTimeout: 2 * commandTimeoutMs,
    connectTimeout: commandTimeoutMs,
    retryStrategy: (attempt) => {
      // Read when a connection is made: a rotated credential or a moved server is taken from here.
      Object.assign(redis.options, redisAddress(url, ca), primary);
      primary = undefined;
      return delayMs(reconnectPolicy, attempt, random());
    },
    // After a failover the old primary answers READONLY until the name points to the new one.
    reconnectOnError: (error) => {
      primary = movedTo(error);
      if (primary !== undefined)
        log.info({ ...primary }, 'This Redis node is not the primary; connecting to the one that is.');
      const isReadOnly = error.message.startsWith('READONLY') && performance.now() - leftAtMs >= readOnlyPatienceMs;
      if (isReadOnly) leftAtMs = performance.now();
      if (primary === undefined && !isReadOnly) return false;
      changes.leaves();
      return true;
    },
    // Nothing here needs RESP3, and some managed proxies do not speak it.
    protocol: 2,
  });
  const changes = logChanges(redis, log, options.troubles ?? new Troubles(log));
  return redis;
}

/** Resolves once commands can be sent; rejects if the connection was ended before. */
export async function untilReady(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const ready = (): void => settle(resolve);
    const end = (): void => settle(() => reject(new Error('The connection to Redis was ended before it was ready.')));
    const settle = (outcome: () => void): void => {
      redis.off('ready', ready).off('end', end);
      outcome();
    };
    redis.on('ready', ready).on('end', end);
    if (redis.status === 'end') end();
  });
}

interface Node {
  readonly host: string;
  readonly port: number;
}

interface Address extends Node {
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: ConnectionOptions | undefined;
}

/** ioredis would take options from the URL's query over ours; so the URL is taken apart here, and only for its address. */
export function redisAddress(url: Secret, ca?: Secret): Address {
  const { protocol, hostname, port, username, password, pathname } = new URL(url.reveal());
  const host = hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: port === '' ? 6379 : Number(port),
    db: Number(pathname.slice(1)),
    username: username === '' ? undefined : decodeURIComponent(username),
    password: password === '' ? undefined : decodeURIComponent(password),
    // The name that was configured is what a certificate must be for, also when MOVED names a node by its address.
    tls: protocol === 'rediss:' ? { ...trust(ca), ...(isIP(host) === 0 ? { servername: host } : {}) } : undefined,
  };
}

/** Where the primary is, if that is what Redis answered: `MOVED 3999 host:port`. */
export function movedTo(error: unknown): Node | undefined {
  const [, host = '', port] = /^MOVED \d+ (.*):(\d+)$/.exec(error instanceof Error ? error.message : '') ?? [];
  return host === '' || port === undefined ? undefined : { host, port: Number(port) };
}

const about = 'redis';
/** What follows a fault that lasts, such as a connection that closes behind it, is the same fault and takes no other word for it. */
const sameFaultMs = 2 * reconnectPolicy.maxMs;
const waits = 'Nothing is sealed or sent, and usage waits in the broker.';

/**
 * Without an `error` listener each failed attempt would be printed, with its stack. `leaves`: to be called before a connection that
 * works is given up for another node. That is no outage, and the next connection no recovery: whoever was refused says what is wrong.
 */
function logChanges(redis: Redis, log: Logger, troubles: Troubles): { leaves(): void } {
  let isReady = false;
  let isFirst = true;
  let isLeaving = false;
  let lastError: Error | undefined;
  let lastingAtMs = -Infinity;
  const tell = (error: unknown, what: string): void => {
    const { reason, words, lasts } = redisFault(error);
    if (lasts === true) lastingAtMs = performance.now();
    else if (performance.now() - lastingAtMs < sameFaultMs) return;
    const message = `${what}: ${words} ${waits} It is tried again until it succeeds.`;
    const level = lasts === true ? 'error' : 'warn';
    troubles.tell({ about, reason, level, message, fields: { cause: messageOf(error) } });
  };
  redis.on('error', (error: Error) => {
    lastError = error;
    if (!isReady) tell(error, 'Redis cannot be used');
  });
  // Not `close`, which comes also when the connection is ended on purpose.
  redis.on('reconnecting', () => {
    if (!isReady) return;
    isReady = false;
    if (!isLeaving) tell(lastError ?? new Error('Connection is closed.'), 'The connection to Redis broke');
  });
  redis.on('ready', () => {
    if (troubles.over(about, 'Redis is back.') === undefined && isFirst) log.info('Redis is connected.');
    isReady = true;
    isFirst = isLeaving = false;
    lastError = undefined;
    lastingAtMs = -Infinity;
  });
  return {
    leaves() {
      isLeaving = true;
    },
  };
}
