import { expect, it } from 'vitest';
import { redisFault } from './redis-fault.ts';

it.each([
  ['WRONGPASS invalid username-password pair or user is disabled.', 'credentials'],
  ['NOAUTH Authentication required.', 'credentials'],
  ["NOPERM this user has no permissions to run the 'exists' command", 'rights'],
  ['LOADING Redis is loading the dataset in memory', 'loading'],
  ['ERR max number of clients reached', 'clients'],
  ['ERR DB index is out of range', 'database'],
  ['Unknown RESP type 72 "H". Please report this.', 'protocol'],
  ['connect ECONNREFUSED 127.0.0.1:9', 'refused'],
  ['getaddrinfo ENOTFOUND nosuch.invalid', 'dns'],
  ['connect ETIMEDOUT', 'timeout'],
  ['Command timed out', 'silent'],
  ['something new', 'other'],
])('knows what "%s" means', (message, reason) => {
  expect(redisFault(new Error(message)).reason).toBe(reason);
});
