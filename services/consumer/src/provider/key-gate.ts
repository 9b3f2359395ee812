import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Troubles } from '../../../../shared/log/troubles.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import { redisNowMs } from '../../../../shared/redis/clock.ts';
import { membersKey } from '../../../../shared/topology/names.ts';

export interface KeyGateOptions {
  /** What the provider says to the key as it is now, if it refuses it; undefined for every other answer, and for none. */
  readonly keyRefusal: () => Promise<string | undefined>;
  /** Members of the cluster now; this one is none yet. */
  readonly members: () => Promise<number>;
  readonly troubles: Troubles;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** It is known that the key is refused, and others are there. */
  readonly waits: () => void;
  readonly pauseMs?: number;
}

const about = 'key';
const defaultPauseMs = 5_000;

/**
 * A consumer whose key is refused would take its share of the shards from members that can bill them, and bill nothing of it: it
 * does not join while others are there. Whatever else keeps the provider from answering is the same for all of them, and holds
 * nobody back. Alone it joins: nobody else would count or bill, and it goes on by itself once the key is right.
 */
export async function untilKeyMayJoin(options: KeyGateOptions): Promise<void> {
  const { keyRefusal, members, troubles, log, signal, waits, pauseMs = defaultPauseMs } = options;
  for (;;) {
    signal.throwIfAborted();
    const answer = await keyRefusal();
    if (answer === undefined) {
      troubles.over(about, 'The billing provider does not refuse STRIPE_API_KEY any more: this consumer joins.');
      return;
    }
    try {
      if ((await members()) === 0) {
        troubles.over(about, 'No other consumer is there: this one joins with a refused key, and usage waits.');
        return;
      }
      waits();
      troubles.tell({
        about,
        reason: 'stripe_key_refused',
        level: 'error',
        fields: { answer },
        message:
          'The billing provider refuses STRIPE_API_KEY: this consumer does not join, and the others bill all usage. Give it a key that may read meters and write meter events.',
      });
    } catch (error) {
      log.debug({ error }, 'Redis does not tell who is in the cluster. Asking again.');
    }
    await sleep(pauseMs, undefined, { signal });
  }
}

/** A consumer waits outside of the cluster, because its key is refused. */
export function isKeyHeldBack(troubles: Troubles): boolean {
  return troubles.isOn(about);
}

/** How many members have a heartbeat that lasts, on Redis' clock. */
export async function countMembers(redis: Redis, namespace: string): Promise<number> {
  return redis.zcount(membersKey(namespace), `(${Math.floor(await redisNowMs(redis))}`, '+inf');
}
