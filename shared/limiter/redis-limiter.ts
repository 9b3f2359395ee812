/**
 * The cluster's rate, kept in Redis: one small number per limit. A limit belongs to a provider, a credential and an
 * endpoint, as the providers' own limits do; two credentials never share one.
 *
 * An unanswered request may have taken slots: they are lost, the rate is then lower for a moment and never higher.
 * If Redis' clock is set by hand (not slewed), the rate can be exceeded for as long as slots were ahead, 150 ms.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../log/log.ts';
import type { Redis } from '../redis/client.ts';
import { createScript, runScript } from '../redis/script.ts';
import type { ClockOffset } from './clock-offset.ts';
import { localLease, type SlotLimiter } from './limiter.ts';
import { slotScript } from './slot-script.ts';
import { horizonUs, latenessMaxMs, pieceUs, type SlotAnswer, spacingUs } from './slots.ts';

export interface RedisLimiterOptions {
  readonly redis: Redis;
  /** As `clusterKeyPrefix` makes it. */
  readonly keyPrefix: string;
  /** Calls per second that may be used: the limit times our share of it. */
  readonly ratePerS: number;
  /** For example `stripe`. */
  readonly provider: string;
  /** What the provider counts calls by; only its hash is stored. Read again before every request. */
  readonly credential: () => string;
  /** For example `v1-meter-events`. */
  readonly endpoint: string;
  readonly log: Logger;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

const script = createScript('slots', slotScript);
const warnEveryMs = 60_000;

export function createRedisLimiter(options: RedisLimiterOptions): SlotLimiter {
  const { redis, log, now = () => performance.now() } = options;
  const keyOf = limitKey(options);
  let offset: ClockOffset | undefined;
  let warnedAtMs = -Infinity;

  return {
    async lease(wanted, pace = 1) {
      const spacing = spacingUs(options.ratePerS * pace);
      const sentAtMs = now();
      const answer = await askForSlots(redis, keyOf(), wanted, spacing);
      const receivedAtMs = now();
      const local = localLease(answer, { sentAtMs, receivedAtMs, remoteMs: answer.nowUs / 1_000 }, offset, spacing);
      offset = local.offset;
      if (local.uncertaintyMs >= latenessMaxMs && receivedAtMs - warnedAtMs >= warnEveryMs) {
        warnedAtMs = receivedAtMs;
        log.error(
          { uncertaintyMs: Math.round(local.uncertaintyMs), latenessMaxMs },
          'Redis answers so slowly that its clock cannot be told: no call is started, usage waits in the broker. Bring Redis nearer, or relieve it.',
        );
      }
      return local.lease;
    },
  };
}

/** One request for slots, on Redis' own clock. */
export async function askForSlots(redis: Redis, key: string, wanted: number, spacingUs: number): Promise<SlotAnswer> {
  const reply = await runScript(redis, script, [key], [wanted, spacingUs, horizonUs, pieceUs]);
  const [nowUs, count, us] = [reply.integer(0), reply.integer(1), reply.integer(2)];
  return count === 0 ? { nowUs, waitUs: us } : { nowUs, firstUs: us, count };
}

/** The name of a limit never shows the credential. */
function limitKey({ keyPrefix, provider, credential, endpoint }: RedisLimiterOptions): () => string {
  let hashed: string | undefined;
  let key = '';
  return () => {
    const secret = credential();
    if (secret !== hashed) {
      hashed = secret;
      const hash = createHash('sha256').update(secret).digest('hex').slice(0, 32);
      key = `${keyPrefix}limit:${provider}:${hash}:${endpoint}`;
    }
    return key;
  };
}
