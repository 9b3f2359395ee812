import { type Fault, messageOf, networkFault, unforeseen } from '../network/fault.ts';

/** What Redis says, or ioredis of what it heard, while a connection is made. */
const meanings: readonly (readonly [RegExp, Fault])[] = [
  [
    /^WRONGPASS|invalid password|AUTH <password> called without/,
    {
      reason: 'credentials',
      words: 'it refuses the user or the password. Correct REDIS_URL, or the user at Redis.',
      lasts: true,
    },
  ],
  [/^NOAUTH/, { reason: 'credentials', words: 'it demands a password, and REDIS_URL has none.', lasts: true }],
  [
    /^NOPERM/,
    { reason: 'rights', words: 'this user lacks a right: `tallyman access` prints those that it needs.', lasts: true },
  ],
  [
    /\bOOM\b/,
    {
      reason: 'memory',
      words: 'its memory is full. Raise its maxmemory or give it a larger machine; maxmemory-policy stays noeviction.',
      lasts: true,
    },
  ],
  [
    /\bREADONLY\b/,
    {
      reason: 'read_only',
      words: 'it is a replica and takes no writes: a failover is under way, or REDIS_URL names a replica.',
      lasts: true,
    },
  ],
  [/\bCLUSTERDOWN\b/, { reason: 'cluster_down', words: 'a part of its cluster has no primary.', lasts: true }],
  [
    /\bMISCONF\b/,
    { reason: 'disk', words: 'it cannot write its data to disk. Look at its disk and its log.', lasts: true },
  ],
  [/\bNOREPLICAS\b/, { reason: 'replicas', words: 'it has fewer replicas than it demands for a write.', lasts: true }],
  [
    /can't run this command|\bNOPERM\b/,
    { reason: 'rights', words: 'this user lacks a right: `tallyman access` prints those that it needs.', lasts: true },
  ],
  [/^LOADING/, { reason: 'loading', words: 'it still reads its data from disk.' }],
  [/max number of clients/, { reason: 'clients', words: 'it has as many clients as it takes. Raise `maxclients`.' }],
  [
    /DB index is out of range/,
    { reason: 'database', words: 'it has no database of that number. Correct the end of REDIS_URL.', lasts: true },
  ],
  [
    /RESP type|Protocol error/,
    { reason: 'protocol', words: 'what answers there does not speak Redis. Correct host and port.', lasts: true },
  ],
  [/timed out|Socket timeout/, { reason: 'silent', words: 'it does not answer. Look at its load and its disk.' }],
  [
    /Connection is closed|Stream isn't writeable/,
    { reason: 'closed', words: 'it, or something on the way, closed the connection.' },
  ],
];

/** Why Redis cannot be used, in plain words. What nobody foresaw is told in its own words. */
export function redisFault(error: unknown): Fault {
  const message = messageOf(error);
  const meaning = meanings.find(([pattern]) => pattern.test(message))?.[1];
  return meaning ?? networkFault(error) ?? unforeseen(error);
}
