import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deadExchange, shardQueue, usageExchange } from '../topology/names.ts';
import { brokerDefinitions, hashPassword, permissionOf, redisRights, type Role, roles } from './rights.ts';

const root = resolve(import.meta.dirname, '../..');
const may = (role: Role, right: 'configure' | 'write' | 'read', name: string, namespace = 'tallyman'): boolean =>
  new RegExp(permissionOf(role, namespace)[right]).test(name);

describe('on the broker', () => {
  const usage = usageExchange('tallyman');
  const dead = deadExchange('tallyman');
  const shards = [0, 15, 63].map((shard) => shardQueue('tallyman', shard));
  const names = [usage, dead, ...shards, 'tallyman.topology-lock', 'tallyman.other', 'other.usage', 'amq.default', ''];
  const allowed = (role: Role, right: 'configure' | 'write' | 'read') =>
    names.filter((name) => name !== '' && may(role, right, name));

  it('the publisher writes the exchange for usage, and nothing else', () => {
    expect(allowed('publisher', 'write')).toEqual([usage]);
    expect([...allowed('publisher', 'read'), ...allowed('publisher', 'configure')]).toEqual([]);
  });

  it('the consumer reads shard queues, writes dead letters, and nothing else', () => {
    expect(allowed('consumer', 'read')).toEqual(shards);
    expect(allowed('consumer', 'write')).toEqual([dead]);
    expect(allowed('consumer', 'configure')).toEqual([]);
  });

  it('the topology declares what the product has and binds it, and cannot send usage', () => {
    expect(allowed('topology', 'configure')).toEqual([usage, dead, ...shards, 'tallyman.topology-lock']);
    expect(allowed('topology', 'write')).not.toContain(usage);
    expect(allowed('topology', 'read')).not.toContain(shards[0]);
  });

  it('nobody writes to the default exchange, which would reach any queue', () => {
    for (const role of roles)
      expect([may(role, 'write', ''), may(role, 'write', 'amq.default')]).toEqual([false, false]);
  });

  it('a dot in a namespace is a dot', () => {
    expect(may('publisher', 'write', 'acme.eu.usage', 'acme.eu')).toBe(true);
    expect(may('publisher', 'write', 'acmeXeu.usage', 'acme.eu')).toBe(false);
  });

  it('definitions hold hashes, and no service is an administrator', () => {
    const passwords = { topology: 'one', publisher: 'two', consumer: 'three' };
    const definitions = brokerDefinitions({ namespace: 'tallyman', vhost: '/', passwords });
    expect(JSON.stringify(definitions)).not.toMatch(/"(one|two|three)"/);
    expect(definitions.users.map(({ name, tags }) => [name, tags])).toEqual([
      ['tallyman-topology', ''],
      ['tallyman-publisher', ''],
      ['tallyman-consumer', ''],
    ]);
  });

  it('hashes a password as LavinMQ does', () => {
    // What LavinMQ's own default, the hash of "guest", is made of.
    const guest = '+pHuxkR9fCyrrwXjOD4BP4XbzO3l8LJr8YkThMgJ0yVHFRE+';
    expect(hashPassword('guest', Buffer.from(guest, 'base64').subarray(0, 4))).toBe(guest);
  });
});

describe('in Redis', () => {
  const words = redisRights('tallyman');

  it('one namespace, and single commands', () => {
    expect(words.slice(0, 3)).toEqual(['on', '~tallyman:*', '-@all']);
    expect(words.slice(3).every((word) => /^\+[a-z]+(\|[a-z]+)?$/.test(word))).toBe(true);
  });

  // A command that is missing would be found by a user, in production: MemoryDB has exactly these rights.
  it('every command that the product uses is among them', () => {
    const files = globSync(
      '{services/{consumer,publisher,dashboard}/src,shared/{journal,limiter,redis,topology}}/**/*.{ts,lua}',
      { cwd: root },
    );
    const isProduct = (path: string): boolean => !/test(ing|-\w+)?\.ts$|contract/.test(path);
    const used = new Set<string>();
    for (const path of files.filter(isProduct)) {
      const text = readFileSync(join(root, path), 'utf8');
      for (const [, name = ''] of text.matchAll(/redis\.call\(\s*'(\w+)'/g)) used.add(name.toLowerCase());
      if (text.includes('.multi()')) for (const name of ['multi', 'exec']) used.add(name);
      for (const [, name = ''] of text.matchAll(/callBuffer\('(\w+)'/g)) used.add(name.toLowerCase());
      for (const [, name = ''] of text.matchAll(/\bredis\??\.(\w+?)(?:Buffer)?\(/g))
        if (isCommand(name)) used.add(name);
    }
    // The preflight asks for it and goes on without an answer; managed services never give one.
    used.delete('config');
    expect(used.size).toBeGreaterThan(20);
    expect([...used].filter((name) => !words.includes(`+${name}`))).toEqual([]);
  });
});

function isCommand(name: string): boolean {
  return redisCommands.includes(name);
}

const redisCommands = [
  ...[
    'get',
    'set',
    'del',
    'unlink',
    'exists',
    'expire',
    'pexpire',
    'ttl',
    'pttl',
    'rename',
    'scan',
    'keys',
    'type',
    'incr',
  ],
  ...['hget', 'hset', 'hmget', 'hgetall', 'hdel', 'hexists', 'hlen', 'hkeys', 'hvals', 'hscan', 'hincrby', 'hstrlen'],
  ...['lpush', 'rpush', 'lrange', 'llen', 'lpos', 'lindex', 'ltrim', 'sadd', 'srem', 'smembers', 'scard', 'sismember'],
  ...['zadd', 'zrange', 'zrem', 'zcard', 'zscore', 'zremrangebyscore', 'zrangebyscore', 'zcount', 'mget', 'mset'],
  ...['time', 'info', 'config', 'memory', 'slowlog', 'dbsize', 'eval', 'evalsha', 'script', 'subscribe', 'publish'],
];

it('Terraform has the same rights', () => {
  const copy = readFileSync(join(root, 'terraform/modules/access/rights.json'), 'utf8');
  expect(copy).toBe(readFileSync(join(root, 'shared/access/rights.json'), 'utf8'));
});
