import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Readiness } from '../../../../shared/http/server.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { messageOf } from '../../../../shared/network/fault.ts';
import type { Redis } from '../../../../shared/redis/client.ts';
import type { Held } from '../health/outages.ts';
import { createViewStore, type View, type ViewStore } from './stored-view.ts';

/** Leaves what this consumer sees in Redis, for `tallyman status`. A convenience: whatever goes wrong with it changes nothing else. */
export interface ViewOptions {
  readonly redis: Redis;
  readonly namespace: string;
  /** The name under which it is a member now. */
  readonly member: () => string | undefined;
  readonly readiness: () => Readiness;
  /** Remarks about the whole cluster that the reader finds in Redis himself. */
  readonly known: () => readonly string[];
  readonly held: () => Held;
  readonly log: Logger;
}

const everyMs = 5_000;
/** How soon a change is told. */
const changeMs = 1_000;
const removeGoneEveryMs = 60_000;
const removalTimeoutMs = 500;

/** Until what it answers is called, which is before the connection ends; that removes the view, and never rejects. */
export function leaveView(options: ViewOptions): () => Promise<void> {
  const { redis, namespace, log } = options;
  const consumer = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  const store = createViewStore(redis, namespace);
  const stopping = new AbortController();
  const { signal } = stopping;
  const writer = new ViewWriter(consumer, store, log);
  const over = (async () => {
    while (!signal.aborted) {
      // Without a connection a command would only wait in a queue; the view is old then, and says so.
      if (redis.status === 'ready') await writer.look(viewOf(options));
      await sleep(changeMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  return async () => {
    stopping.abort();
    if (redis.status !== 'ready') return;
    const removed = over
      .then(() => store.remove(consumer))
      .catch((error: unknown) => {
        log.debug({ error }, 'What this consumer sees stays in Redis until it is too old.');
      });
    await Promise.race([removed, sleep(removalTimeoutMs, undefined, { ref: false })]);
  };
}

function viewOf({ readiness, member, known, held }: ViewOptions): View {
  const { reasons, remarks = [] } = readiness();
  const name = member();
  const others = new Set([...reasons, ...known()]);
  return {
    ...(name === undefined ? {} : { member: name }),
    reasons,
    remarks: remarks.filter((remark) => !others.has(remark)),
    ...held(),
  };
}

/** Writes at once what a person has to know, and the rest every five seconds. One write at a time. */
export class ViewWriter {
  readonly #consumer: string;
  readonly #store: Pick<ViewStore, 'write' | 'removeGone'>;
  readonly #log: Logger;
  readonly #now: () => number;
  #told = '';
  #writeAtMs = -Infinity;
  #removeGoneAtMs = -Infinity;
  #hasFailed = false;

  /** `now` is monotonic, in milliseconds. */
  constructor(
    consumer: string,
    store: Pick<ViewStore, 'write' | 'removeGone'>,
    log: Logger,
    now: () => number = () => performance.now(),
  ) {
    this.#consumer = consumer;
    this.#store = store;
    this.#log = log;
    this.#now = now;
  }

  /** Never rejects. */
  async look(view: View): Promise<void> {
    const nowMs = this.#now();
    const told = JSON.stringify([view.member, view.reasons, view.remarks]);
    if (nowMs < this.#writeAtMs && (told === this.#told || this.#hasFailed)) return;
    this.#writeAtMs = nowMs + everyMs;
    this.#told = told;
    try {
      await this.#store.write(this.#consumer, view);
      if (nowMs >= this.#removeGoneAtMs) {
        this.#removeGoneAtMs = nowMs + removeGoneEveryMs;
        await this.#store.removeGone();
      }
      if (this.#hasFailed) this.#log.info({}, 'What this consumer sees is in Redis again, for tallyman status.');
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed)
        this.#log.warn(
          { cause: messageOf(error) },
          'What this consumer sees cannot be left in Redis: tallyman status does not know it. No usage is lost by that. Ask /readyz instead.',
        );
      this.#hasFailed = true;
    }
  }
}
