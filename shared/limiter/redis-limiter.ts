/**
 * A limit of the provider, kept in Redis: one small hash. A limit belongs to a cluster, a provider, an endpoint and, where the
 * provider counts those apart, a connected account; two of them never share one. A cluster bills through one account, and the
 * provider counts by account, not by key: so the two keys of a rotation have one rate.
 *
 * An unanswered request may have taken slots: they are lost, the rate is then lower for a moment and never higher.
 * If Redis' clock is set by hand (not slewed), the rate can be exceeded for as long as slots were ahead, 150 ms.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../log/log.ts';
import { Troubles } from '../log/troubles.ts';
import type { Redis } from '../redis/client.ts';
import { createScript, type Reply, runScript } from '../redis/script.ts';
import type { ClockOffset } from './clock-offset.ts';
import { localLease, type Rate, type SlotLimiter } from './limiter.ts';
import { fullSpacingUs, type Precision, precise } from './pace.ts';
import { giveBackScript, leaseScript, throttleScript } from './rate-script.ts';
import { horizonUs, pieceUs, type SlotAnswer } from './slots.ts';

export interface RedisLimiterOptions {
  readonly redis: Redis;
  /** As `clusterKeyPrefix` makes it. */
  readonly keyPrefix: string;
  /** Calls per second that may be used: the limit times our share of it. */
  readonly ratePerS: number;
  /** For example `stripe`. */
  readonly provider: string;
  /** Releases before named the limit after its hash: see `rate-script.ts`. Read again before every request. */
  readonly credential: () => string;
  /** For example `v1-meter-events`. */
  readonly endpoint: string;
  /** A connected account that has a limit of its own. */
  readonly account?: string;
  readonly precision?: Precision;
  readonly log: Logger;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

const scripts = {
  lease: createScript('lease-slots', leaseScript),
  throttle: createScript('throttle-slots', throttleScript),
  giveBack: createScript('give-slots-back', giveBackScript),
} as const;
const slowReason = 'redis_slow';

export function createRedisLimiter(options: RedisLimiterOptions): SlotLimiter {
  const { redis, log, ratePerS, precision = precise, now = () => performance.now() } = options;
  const spacing = fullSpacingUs(ratePerS, precision);
  const keysOf = limitKeys(options);
  let offset: ClockOffset | undefined;
  const troubles = new Troubles(log, now);
  let last: RedisLease | undefined;

  const rateOf = ({ pace, changedUs, reason }: RedisRate): Rate => {
    // It begins slowly, which is over in ten seconds: whoever plans with the rate, or is told of it, takes it for whole.
    if (changedUs === 0) return { pace: 1, perS: ratePerS, lowered: undefined };
    return { pace, perS: ratePerS * pace, lowered: { atMs: changedUs / 1_000, reason } };
  };

  return {
    async lease(wanted) {
      const sentAtMs = now();
      const leased = await askForSlots(redis, keysOf(), wanted, spacing);
      const receivedAtMs = now();
      const { answer, spacingUs } = leased;
      const exchange = { sentAtMs, receivedAtMs, remoteMs: answer.nowUs / 1_000 };
      const local = localLease(answer, exchange, offset, spacingUs, precision.latenessMaxMs);
      offset = local.offset;
      if ('count' in answer) last = leased;
      if (local.uncertaintyMs >= precision.latenessMaxMs) {
        troubles.tell({
          reason: slowReason,
          level: 'error',
          message:
            'Redis answers so slowly that its clock cannot be read: no call is started, usage waits in the broker. Move Redis closer, or reduce its load.',
          fields: { uncertaintyMs: Math.round(local.uncertaintyMs), latenessMaxMs: precision.latenessMaxMs },
        });
      } else troubles.over(slowReason, 'Redis answers fast enough again: calls are started.');
      return { lease: local.lease, rate: rateOf(leased) };
    },

    async throttled({ count, startedAtMs, reason }) {
      // Without an offset no slot was ever had here, so no call can have started.
      const startedUs = Math.floor((startedAtMs + (offset?.highMs ?? 0)) * 1_000);
      const rate = await reportThrottled(redis, keysOf(), { count, startedUs, reason });
      return rateOf(rate);
    },

    async giveBack(count) {
      if (last === undefined || !('count' in last.answer)) return;
      const { answer, spacingUs } = last;
      const endUs = answer.firstUs + answer.count * spacingUs;
      last = undefined;
      await giveSlotsBack(redis, keysOf(), Math.min(count, answer.count), endUs, spacingUs);
    },
  };
}

interface RedisRate {
  readonly nowUs: number;
  readonly pace: number;
  readonly changedUs: number;
  readonly reason: string;
}

export interface RedisLease extends RedisRate {
  readonly answer: SlotAnswer;
  readonly spacingUs: number;
}

/** The limit's name, and the one that it had in releases before. */
export type LimitKeys = readonly [key: string, formerKey: string];

/** One request for slots, on Redis' own clock. */
export async function askForSlots(
  redis: Redis,
  keys: LimitKeys,
  wanted: number,
  fullSpacing: number,
): Promise<RedisLease> {
  const reply = await runScript(redis, scripts.lease, [...keys], [wanted, fullSpacing, horizonUs, pieceUs]);
  const rate = readRate(reply);
  const [spacingUs, count, us] = [reply.integer(4), reply.integer(5), reply.integer(6)];
  const { nowUs } = rate;
  return { ...rate, spacingUs, answer: count === 0 ? { nowUs, waitUs: us } : { nowUs, firstUs: us, count } };
}

export async function reportThrottled(
  redis: Redis,
  keys: LimitKeys,
  { count, startedUs, reason }: { readonly count: number; readonly startedUs: number; readonly reason: string },
): Promise<RedisRate> {
  return readRate(await runScript(redis, scripts.throttle, [...keys], [count, startedUs, reason]));
}

export async function giveSlotsBack(
  redis: Redis,
  keys: LimitKeys,
  count: number,
  endUs: number,
  spacingUs: number,
): Promise<void> {
  await runScript(redis, scripts.giveBack, [...keys], [count, endUs, spacingUs]);
}

function readRate(reply: Reply): RedisRate {
  return {
    nowUs: reply.integer(0),
    pace: Number(reply.text(1)),
    changedUs: reply.integer(2),
    reason: reply.text(3),
  };
}

/** No name shows the credential. */
function limitKeys({ keyPrefix, provider, credential, endpoint, account }: RedisLimiterOptions): () => LimitKeys {
  const of = `${endpoint}${account === undefined ? '' : `:${account}`}`;
  const key = `${keyPrefix}rate:${provider}:${of}`;
  let hashed: string | undefined;
  let formerKey = '';
  return () => {
    const secret = credential();
    if (secret !== hashed) {
      hashed = secret;
      const hash = createHash('sha256').update(secret).digest('hex').slice(0, 32);
      formerKey = `${keyPrefix}rate:${provider}:${hash}:${of}`;
    }
    return [key, formerKey];
  };
}
