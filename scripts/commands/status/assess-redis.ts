import type { Finding } from './finding.ts';
import type { Look } from './look.ts';

/** From here on there is little time left to act. */
const nearlyFull = 0.9;
const mebibyte = 1_048_576;

/** What is the matter with Redis itself; nothing is said of one that is well, or that does not tell. */
export function ofRedis({ redisInfo }: Look): Finding[] {
  if (redisInfo === undefined) return [];
  const { role, usedBytes, maxBytes, eviction, appendOnly, writesToDisk } = redisInfo;
  const findings: Finding[] = [];
  const wrong = (text: string, advice: string): void => void findings.push({ kind: 'wrong', text, advice });
  if (role !== undefined && role !== 'master')
    wrong(
      'Redis is a replica and takes no writes: nothing is counted or billed.',
      'Let REDIS_URL name the primary, or see why the failover does not end',
    );
  if (maxBytes > 0 && usedBytes >= maxBytes * nearlyFull) {
    const full = usedBytes >= maxBytes;
    wrong(
      `Redis' memory is ${full ? 'full' : 'nearly full'} (${mebibytes(usedBytes)} of ${mebibytes(maxBytes)} MiB): ${
        full ? 'it refuses writes, and nothing is billed.' : 'soon it refuses writes.'
      }`,
      'Raise maxmemory of Redis or give it a larger machine; maxmemory-policy stays noeviction',
    );
  }
  if (eviction !== undefined && eviction !== 'noeviction')
    wrong(
      `Redis may evict the journal when its memory is full (maxmemory-policy ${eviction}): usage could be lost or billed twice.`,
      'Set maxmemory-policy noeviction in Redis',
    );
  if (appendOnly === false)
    wrong(
      'Redis has no append-only file: it can lose acknowledged writes in a crash, and usage could be billed twice.',
      'Set appendonly yes and appendfsync always in Redis',
    );
  if (!writesToDisk)
    wrong('Redis could not write its data to disk the last time it tried.', 'Look at the disk of Redis and at its log');
  return findings;
}

function mebibytes(bytes: number): string {
  const amount = bytes / mebibyte;
  return amount < 10 ? amount.toFixed(1) : String(Math.round(amount));
}
