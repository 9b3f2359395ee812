import { rootCertificates } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import { ConfigError, type Environment, readSettings } from './config.ts';
import { settings } from './settings.ts';

const shape = { shards: settings.shards, leaseMs: settings.leaseMs, host: settings.host, port: settings.port } as const;

function faultsOf(env: Environment): readonly string[] {
  try {
    readSettings('consumer', env, shape).values();
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('readSettings', () => {
  it('takes defaults for what is not set or empty', () => {
    const values = readSettings('consumer', { TALLYMAN_LEASE_MS: '' }, shape).values();
    expect(values).toEqual({ shards: 16, leaseMs: 10_000, host: '127.0.0.1', port: 7071 });
  });

  it('tells every fault at once, with the name, what it got and what it may be', () => {
    expect(faultsOf({ TALLYMAN_SHARDS: '65', TALLYMAN_LEASE_MS: '10s', TALLYMAN_HOST: 'a b' })).toEqual([
      'TALLYMAN_SHARDS is "65"; it must be a whole number of shards, from 1 to 64.',
      'TALLYMAN_LEASE_MS is "10s"; it must be a whole number of milliseconds, from 1000 to 300000.',
      'TALLYMAN_HOST is "a b"; it must be an IP address or a host name, without a port.',
    ]);
  });

  it('refuses a TALLYMAN_ name that no service knows and suggests the one that was meant', () => {
    expect(faultsOf({ TALLYMAN_LEASE: '5000' })).toEqual([
      'TALLYMAN_LEASE is set, but no service knows it; did you mean TALLYMAN_LEASE_MS?',
    ]);
    expect(faultsOf({ TALLYMAN_COLOUR_OF_THE_SKY: 'blue' })).toEqual([
      'TALLYMAN_COLOUR_OF_THE_SKY is set, but no service knows it; remove it.',
    ]);
  });

  it('ignores settings of other services, whatever they hold', () => {
    expect(faultsOf({ TALLYMAN_SPOOL_BYTES: 'a lot', OTHER_NAME: 'x' })).toEqual([]);
  });

  it('ignores what Kubernetes injects for Services called tallyman', () => {
    const injected = {
      TALLYMAN_PORT: 'tcp://10.0.0.7:7071',
      TALLYMAN_SERVICE_HOST: '10.0.0.7',
      TALLYMAN_SERVICE_PORT_HTTP: '7071',
      TALLYMAN_PORT_7071_TCP: 'tcp://10.0.0.7:7071',
      TALLYMAN_PORT_7071_TCP_ADDR: '10.0.0.7',
      TALLYMAN_CONSUMER_PORT: 'tcp://10.0.0.8:7071',
      TALLYMAN_CONSUMER_SERVICE_PORT: '7071',
    };
    expect(faultsOf(injected)).toEqual([]);
    expect(readSettings('consumer', injected, shape).values().port).toBe(7071);
  });

  it('judges a rule only when all that it needs could be read', () => {
    const judged: number[] = [];
    const reading = readSettings('consumer', { TALLYMAN_SHARDS: '0', TALLYMAN_LEASE_MS: '2000' }, shape);
    reading.rule(['shards', 'leaseMs'], ({ shards }) => `never: ${shards}`);
    reading.rule(['leaseMs'], ({ leaseMs }) => {
      judged.push(leaseMs);
      return 'The lease is not liked.';
    });
    expect(judged).toEqual([2_000]);
    expect(() => reading.values()).toThrow(/2 fault.*TALLYMAN_SHARDS is "0".*The lease is not liked/);
  });
});

describe('a setting with a file', () => {
  const secrets = { redisUrl: settings.redisUrl } as const;
  const files: Record<string, string> = {
    '/run/redis': 'rediss://user:pass@cache:6380/2\n',
    '/run/bad': 'http://cache',
  };
  const readFile = (path: string): string => {
    const content = files[path];
    if (content === undefined) throw new Error('ENOENT: no such file');
    return content;
  };
  const read = (env: Environment) => readSettings('consumer', env, secrets, readFile).values().redisUrl;

  it('is read from the file, without the line end', () => {
    expect(read({ REDIS_URL_FILE: '/run/redis' }).reveal()).toBe('rediss://user:pass@cache:6380/2');
  });

  it('is refused when name and file are both set', () => {
    expect(() => read({ REDIS_URL: 'redis://cache', REDIS_URL_FILE: '/run/redis' })).toThrow(
      'REDIS_URL and REDIS_URL_FILE are both set',
    );
  });

  it('tells what is missing or unreadable, and never the content', () => {
    expect(() => read({})).toThrow(/REDIS_URL is not set \(where Redis is\).*REDIS_URL_FILE/);
    expect(() => read({ REDIS_URL_FILE: '/run/none' })).toThrow(/REDIS_URL_FILE names "\/run\/none".*ENOENT/);
    expect(() => read({ REDIS_URL_FILE: '/run/bad' })).toThrow(/REDIS_URL_FILE holds 12 characters \(not shown\)/);
    expect(() => read({ REDIS_URL: 'redis://:hunter2@cache?x=1' })).not.toThrow(/hunter2/);
  });
});

// It stood in the publisher's README, and ended every service with 78.
describe('TALLYMAN_TOKEN_FILE', () => {
  const read = (env: Environment, readFile: (path: string) => string) =>
    readSettings('publisher', env, { token: settings.token }, readFile).values().token;

  it('holds the token, which is read again when it changes', () => {
    vi.useFakeTimers();
    try {
      let content = 'first\n';
      const token = read({ TALLYMAN_TOKEN_FILE: '/run/token' }, () => content);
      expect(token?.reveal()).toBe('first');
      content = 'second\n';
      vi.advanceTimersByTime(1_500);
      expect(token?.reveal()).toBe('second');
    } finally {
      vi.useRealTimers();
    }
  });

  it('need not be there, and is refused beside the token, unreadable or empty', () => {
    expect(read({}, () => 'x')).toBeUndefined();
    expect(() => read({ TALLYMAN_TOKEN: 'a', TALLYMAN_TOKEN_FILE: '/b' }, () => 'x')).toThrow(/both set/);
    expect(() => read({ TALLYMAN_TOKEN_FILE: '/b' }, () => '')).toThrow(/TALLYMAN_TOKEN_FILE holds 0 characters/);
  });

  it('is what a slip of it meant', () => {
    expect(faultsOf({ TALLYMAN_TOKENFILE: '/b' })).toEqual([
      'TALLYMAN_TOKENFILE is set, but no service knows it; did you mean TALLYMAN_TOKEN_FILE?',
    ]);
  });
});

describe('a CA file', () => {
  const [one = '', two = ''] = rootCertificates;
  const shapeOfCa = { ca: settings.ca } as const;
  const read = (path: string | undefined, readFile: (path: string) => string) =>
    readSettings('publisher', { TALLYMAN_CA_FILE: path }, shapeOfCa, readFile).values().ca;

  it('need not be there, and holds certificates if it is', () => {
    expect(read(undefined, () => one)).toBeUndefined();
    expect(read('/run/ca.crt', () => one)?.reveal()).toBe(one);
  });

  it('is a fault when it cannot be read or holds none: nothing would connect, and nobody would know why', () => {
    const missing = (): string => {
      throw new Error('ENOENT: no such file');
    };
    expect(() => read('/run/ca.crt', missing)).toThrow(/TALLYMAN_CA_FILE names "\/run\/ca.crt".*ENOENT/);
    expect(() => read('/run/ca.crt', () => 'nothing')).toThrow(/TALLYMAN_CA_FILE.*one or more certificates in PEM/);
  });

  it('is read again, and keeps the last good certificates while it is being replaced', () => {
    vi.useFakeTimers();
    try {
      let content = one;
      const ca = read('/run/ca.crt', () => content);
      for (const [now, then] of [
        [two, two],
        ['half a cert', two],
        [`${one}\n${two}`, `${one}\n${two}`],
      ] as const) {
        content = now;
        vi.advanceTimersByTime(1_500);
        expect(ca?.reveal()).toBe(then);
      }
    } finally {
      vi.useRealTimers();
    }
  });
});
