/**
 * The meters as the cluster shares them in Redis: read from the provider by one consumer, used by all. Kept without an
 * end, since an old list is better than none. The lock is only ever taken, never given back: it is the pace of reads.
 */
import { z } from 'zod';
import type { Redis } from '../../../../shared/redis/client.ts';
import { redisNowMs } from '../../../../shared/redis/clock.ts';
import type { Meter } from '../provider/provider.ts';

export interface StoredCatalog {
  /** Redis' clock from before the provider was asked, unix milliseconds and parts of one. */
  readonly readAtMs: number;
  readonly meters: readonly Meter[];
}

export interface CatalogLook {
  readonly stored: StoredCatalog | undefined;
  readonly redisMs: number;
  /** When a person asked for a newer list than there was; on Redis' clock. */
  readonly wantedAtMs: number | undefined;
}

export interface CatalogStore {
  /** What is stored, and Redis' clock, unix milliseconds to the microsecond: a list must not seem younger than it is. */
  look(): Promise<CatalogLook>;
  /** Whether this consumer may ask the provider now; if so, nobody else may for `paceMs`, which is never above `lockMaxMs`. */
  mayRead(paceMs: number): Promise<boolean>;
  store(catalog: StoredCatalog): Promise<void>;
}

const formula = z.enum(['sum', 'count', 'last']);

/** The longest pace of all. */
export const lockMaxMs = 60_000;

const storedFormat = z.object({
  version: z.literal(1),
  readAtMs: z.number(),
  meters: z
    .array(
      z.object({
        id: z.string().exactOptional(),
        eventName: z.string(),
        formula,
        customerKey: z.string(),
        valueKey: z.string(),
        eventTimeWindow: z.enum(['hour', 'day']).exactOptional(),
        archived: z.literal(true).exactOptional(),
        namesakes: z
          .array(z.object({ id: z.string(), formula }))
          .readonly()
          .exactOptional(),
      }),
    )
    .readonly(),
});

/** Without an account, the platform's own meters. */
export function createCatalogStore(redis: Redis, keyPrefix: string, account?: string): CatalogStore {
  const key = `${keyPrefix}meters${account === undefined ? '' : `:of:${account}`}`;
  const lockKey = `${key}:lock`;
  const wantedKey = wantedKeyOf(keyPrefix);
  return {
    async look() {
      const [text, wanted, redisMs] = await Promise.all([redis.get(key), redis.get(wantedKey), redisNowMs(redis)]);
      const stored = text === null ? undefined : decode(text);
      return { stored, redisMs, wantedAtMs: wanted === null ? undefined : Number(wanted) };
    },
    async mayRead(paceMs) {
      if ((await redis.set(lockKey, '1', 'PX', paceMs, 'NX')) === 'OK') return true;
      // Redis keeps its end as a time of its clock. Set back, it would keep everyone from reading for as long.
      if ((await redis.pttl(lockKey)) > lockMaxMs) await redis.pexpire(lockKey, paceMs);
      return false;
    },
    async store({ readAtMs, meters }) {
      await redis.set(key, JSON.stringify({ version: 1, readAtMs, meters } satisfies z.infer<typeof storedFormat>));
    },
  };
}

/** Has every list read again, as soon as a consumer looks: the platform's within ten seconds, the others' within a minute. */
export async function wantNewerLists(redis: Redis, keyPrefix: string): Promise<number> {
  const wantedAtMs = await redisNowMs(redis);
  await redis.set(wantedKeyOf(keyPrefix), String(wantedAtMs), 'PX', wantedKeptMs);
  return wantedAtMs;
}

/** By then each list has been read again anyway. */
const wantedKeptMs = 15 * 60_000;

function wantedKeyOf(keyPrefix: string): string {
  return `${keyPrefix}meters:wanted`;
}

/** Another version's list is as good as none: it is read again and written anew. */
function decode(text: string): StoredCatalog | undefined {
  try {
    return storedFormat.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
