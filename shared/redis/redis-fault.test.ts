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
  ["Socket timeout. Expecting data, but didn't receive any in 5000ms.", 'silent'],
  ["Stream isn't writeable and enableOfflineQueue options is false", 'closed'],
  ['something new', 'other'],
])('knows what "%s" means', (message, reason) => {
  expect(redisFault(new Error(message)).reason).toBe(reason);
});

// "didn't receive any in 5000ms.. Nothing is sealed": a full stop was put behind whatever a library had said.
it.each(['something new', 'something new.'])('repeats what nobody foresaw as one sentence: %s', (message) => {
  expect(redisFault(new Error(message)).words).toBe('something new.');
});
