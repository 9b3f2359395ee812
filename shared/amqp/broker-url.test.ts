import { describe, expect, it } from 'vitest';
import { brokerAddress, withHeartbeat } from './broker-url.ts';

describe('withHeartbeat', () => {
  it.each([
    ['amqp://guest:p%40ss@host/vhost', 'amqp://guest:p%40ss@host/vhost?heartbeat=20'],
    ['amqps://host/%2F?frameMax=8192', 'amqps://host/%2F?frameMax=8192&heartbeat=20'],
    ['amqp://host?heartbeat=5', 'amqp://host?heartbeat=5'],
    ['amqp://host?heartbeat=60', 'amqp://host?heartbeat=20'],
    ['amqp://host?heartbeat=0', 'amqp://host?heartbeat=20'],
    ['amqp://host?heartbeat=soon', 'amqp://host?heartbeat=20'],
  ])('%s becomes %s', (given, expected) => {
    expect(withHeartbeat(given)).toBe(expected);
  });

  it('refuses what is not a broker address without repeating it, since it may hold a password', () => {
    expect(() => withHeartbeat('host:secret')).toThrow(/amqp:/);
    expect(() => withHeartbeat('://secret')).toThrow(/^(?!.*secret)/);
  });
});

describe('brokerAddress', () => {
  it.each([
    ['amqp://guest:secret@broker/tallyman', 'broker:5672'],
    ['amqps://guest:secret@broker', 'broker:5671'],
    ['amqp://guest:secret@[::1]:5673', '[::1]:5673'],
  ])('shows %s as %s', (url, address) => {
    expect(brokerAddress(url)).toBe(address);
  });
});
