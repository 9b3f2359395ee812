import { describe, expect, it } from 'vitest';
import { rootCertificates } from 'node:tls';
import {
  apiBase,
  certificates,
  fileMode,
  host,
  integer,
  integerOrNone,
  isLoopback,
  list,
  namespace,
  redisUrl,
  serverUrl,
  share,
  text,
} from './kinds.ts';

describe('apiBase', () => {
  it.each([
    ['https://api.stripe.com', 'https://api.stripe.com'],
    ['https://example.com:8443/', 'https://example.com:8443'],
    ['http://127.0.0.1:7073/', 'http://127.0.0.1:7073'],
    ['http://127.9.9.9', 'http://127.9.9.9'],
    ['http://localhost:7073', 'http://localhost:7073'],
    ['http://[::1]:7073', 'http://[::1]:7073'],
    ['http://[fd12::1]', 'http://[fd12::1]'],
    ['http://10.255.0.1', 'http://10.255.0.1'],
    ['http://172.31.0.1', 'http://172.31.0.1'],
    ['http://192.168.1.1', 'http://192.168.1.1'],
    ['http://stripe-simulator:7073', 'http://stripe-simulator:7073'],
    ['http://simulator.tallyman.svc', 'http://simulator.tallyman.svc'],
    ['http://simulator.tallyman.svc.cluster.local', 'http://simulator.tallyman.svc.cluster.local'],
    ['http://host.docker.internal:7073', 'http://host.docker.internal:7073'],
  ])('takes %s', (value, origin) => {
    expect(apiBase.parse(value)).toBe(origin);
  });

  it.each([
    'http://api.stripe.com',
    'http://8.8.8.8',
    'http://172.32.0.1',
    'http://192.169.1.1',
    'http://[2001:db8::1]',
    'http://134744072', // 8.8.8.8 as one number: not a name of one label
    'http://svc.example.com',
    'ftp://localhost',
    'https://api.stripe.com/v1',
    'https://key@api.stripe.com',
    'https://api.stripe.com?x=1',
    'api.stripe.com',
  ])('refuses %s', (value) => {
    expect(apiBase.parse(value)).toBeUndefined();
  });
});

describe('urls of servers', () => {
  it('takes AMQP with and without TLS, and nothing else', () => {
    const url = serverUrl('amqp:', 'amqps:');
    expect(url.parse('amqps://user:p%40ss@broker:5671/vhost')).toBe('amqps://user:p%40ss@broker:5671/vhost');
    expect(url.parse('amqp://127.0.0.1')).toBe('amqp://127.0.0.1');
    expect(url.parse('http://broker')).toBeUndefined();
    expect(url.parse('broker:5672')).toBeUndefined();
    expect(url.parse('amqp://user:100%@broker')).toBeUndefined();
  });

  it('refuses options in a Redis URL, which would go over the ones that keep usage exact', () => {
    expect(redisUrl.parse('redis://cache:6379/3')).toBe('redis://cache:6379/3');
    expect(redisUrl.parse('rediss://:secret@cache')).toBe('rediss://:secret@cache');
    expect(redisUrl.parse('redis://cache?autoResendUnfulfilledCommands=true')).toBeUndefined();
    expect(redisUrl.parse('redis://cache/name')).toBeUndefined();
  });
});

describe('certificates', () => {
  const [one = '', two = ''] = rootCertificates;

  it('takes one or more, and leaves out what stands between them', () => {
    expect(certificates.parse(one)).toBe(one);
    expect(certificates.parse(`# ours\n${one}\nsubject=CN=other\n${two}\n`)).toBe(`${one}\n${two}`);
  });

  it('refuses what holds none, a damaged one, or a key', () => {
    for (const text of ['', 'not a certificate', one.replace('MII', 'AAA'), one.slice(0, -20)]) {
      expect(certificates.parse(text)).toBeUndefined();
    }
    expect(certificates.parse(one.replaceAll('CERTIFICATE', 'PRIVATE KEY'))).toBeUndefined();
  });
});

describe('plain kinds', () => {
  it('reads whole numbers within their bounds, and no other notation', () => {
    const kind = integer(1, 64, 'shards');
    expect([kind.parse('1'), kind.parse('64')]).toEqual([1, 64]);
    for (const value of ['0', '65', '-1', '1.0', '1e1', '0x1', ' 1', '99999999999999999999']) {
      expect(kind.parse(value)).toBeUndefined();
    }
  });

  it('reads a share above 0 and up to 1', () => {
    expect([share.parse('1'), share.parse('0.25')]).toEqual([1, 0.25]);
    expect([share.parse('0'), share.parse('1.1'), share.parse('50%')]).toEqual([undefined, undefined, undefined]);
  });

  it('reads lists whole or not at all', () => {
    const kind = list(text(5));
    expect(kind.parse('one, two')).toEqual(['one', 'two']);
    expect(kind.parse('one,,two')).toBeUndefined();
    expect(kind.parse('one,too long')).toBeUndefined();
  });

  it('keeps namespaces free of what splits names and Redis hash tags', () => {
    expect(namespace.parse('tallyman.eu-1')).toBe('tallyman.eu-1');
    for (const value of ['', '1st', 'a:b', 'a{b}', 'a b']) expect(namespace.parse(value)).toBeUndefined();
  });

  it('tells hosts, and which of them only this machine can reach', () => {
    expect(host.parse('0.0.0.0')).toBe('0.0.0.0');
    expect(host.parse('::')).toBe('::');
    expect(host.parse('localhost:80')).toBeUndefined();
    expect(['127.0.0.1', '127.1.2.3', '::1', 'localhost'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example.com'].some(isLoopback)).toBe(false);
  });
});

it('takes rights of a file that leave its owner in', () => {
  expect(['660', '0660', '777'].map((value) => fileMode.parse(value))).toEqual([0o660, 0o660, 0o777]);
  for (const value of ['066', '66', '8', '668', '1660', 'rw', '']) expect(fileMode.parse(value), value).toBeUndefined();
});

it('takes none or enough, and nothing between', () => {
  const kind = integerOrNone(1_000, 2_000, 'bytes');
  expect(['0', '1000', '2000'].map((value) => kind.parse(value))).toEqual([0, 1_000, 2_000]);
  for (const value of ['1', '999', '2001', '-1']) expect(kind.parse(value), value).toBeUndefined();
});
