import type { BrokerConnection } from '../../../../shared/amqp/connection.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { counted } from '../../../../shared/log/troubles.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import type { RedisRefusals } from '../../../../shared/redis/refusals.ts';
import { type Breakers, platform } from '../provider/breakers.ts';

/** What a consumer stands on. */
export type Pillar = 'the broker' | 'Redis' | 'the billing provider';

/** Usage that a consumer has, and that is not billed. */
export interface Held {
  /** Delivered and not acked. */
  readonly messagesHeld: number;
  /** Counted and not sealed. */
  readonly eventsOpen: number;
  /** Sealed, and on their way to the provider. */
  readonly entriesPending: number;
}

/** Usage that would have been billed by now, as far as a consumer can see it. */
export interface Late extends Held {
  /** In the queues of the whole cluster, taken by nobody; undefined: it is not known. */
  readonly messagesWaiting: number | undefined;
}

interface Outage {
  readonly sinceMs: number;
  readonly startedMs: number;
}

/** Shorter ones hold nothing up that anybody would notice. */
const worthTellingMs = 1_000;

/**
 * When something is back that everything stands on, one line: from when to when it was away, and how much usage is late for it.
 * That it is away is said by its connection, or the breaker.
 */
export class Outages {
  readonly #log: Logger;
  readonly #late: () => Promise<Late>;
  readonly #now: () => number;
  readonly #under = new Map<Pillar, Outage>();

  /** `late` is asked for when an outage is over. `now` is monotonic, in milliseconds. */
  constructor(log: Logger, late: () => Promise<Late>, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#late = late;
    this.#now = now;
  }

  began(pillar: Pillar): void {
    if (!this.#under.has(pillar)) this.#under.set(pillar, { sinceMs: Date.now(), startedMs: this.#now() });
  }

  async ended(pillar: Pillar): Promise<void> {
    const outage = this.#under.get(pillar);
    this.#under.delete(pillar);
    if (outage === undefined) return;
    const lastedMs = this.#now() - outage.startedMs;
    if (lastedMs < worthTellingMs) return;
    const to = new Date().toISOString();
    const { messagesWaiting, messagesHeld, eventsOpen, entriesPending } = await this.#late();
    const waiting = messagesWaiting === undefined ? [] : [`${counted(messagesWaiting, 'message')} in the queues`];
    const held = `${counted(messagesHeld, 'message')} with this consumer`;
    const counts = `${counted(eventsOpen, 'event')} to be sealed, ${counted(entriesPending, 'entry', 'entries')} to be sent`;
    this.#log.info(
      {
        pillar,
        from: new Date(outage.sinceMs).toISOString(),
        to,
        lastedS: Math.round(lastedMs / 1_000),
        late: [...waiting, held, counts].join(', '),
        lost: 0,
      },
      'An outage is over. Usage of that time is billed late, as fast as the rate allows; none of it is lost.',
    );
  }
}

/** Of what was there once: that it is not there yet, at the start, is no outage. */
export function watchOutages(
  outages: Outages,
  broker: BrokerConnection,
  redis: Redis,
  refusals: RedisRefusals,
  breakers: Breakers,
): void {
  broker.onLost(() => outages.began('the broker'));
  broker.onConnected(() => void outages.ended('the broker'));
  redis.once('ready', () => redis.on('close', () => outages.began('Redis')));
  // A Redis that refuses writes is as good as away, however often it is connected to meanwhile.
  redis.on('ready', () => {
    if (!refusals.isOn) void outages.ended('Redis');
  });
  refusals.onChange((isOn) => {
    if (isOn) outages.began('Redis');
    else if (redis.status === 'ready') void outages.ended('Redis');
  });
  breakers.onChange(({ account, state }) => {
    if (account !== platform) return;
    if (state === 'open') outages.began('the billing provider');
    if (state === 'closed') void outages.ended('the billing provider');
  });
}
