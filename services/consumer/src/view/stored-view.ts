/**
 * What a consumer sees, as it leaves it in Redis for `tallyman status`: a hash by consumer. A field is as old as its time says; whoever
 * ends removes its own, and one of a consumer that was killed is left out by readers and removed by the others.
 */
import { z } from 'zod';
import type { Redis } from '../../../../shared/redis/client.ts';
import { redisNowMs } from '../../../../shared/redis/clock.ts';
import { consumerViewsKey } from '../../../../shared/topology/names.ts';

const sentence = z.string();
const count = z.number().nonnegative();

const storedFormat = z.object({
  version: z.literal(1),
  /** Redis' clock, unix milliseconds. */
  atMs: z.number(),
  /** Its name among the members; without one it waits to join, or is halted. */
  member: z.string().exactOptional(),
  /** Why it is not ready, as in `/readyz`. */
  reasons: z.array(sentence).readonly(),
  /** What else it says there. */
  remarks: z.array(sentence).readonly(),
  messagesHeld: count,
  eventsOpen: count,
  entriesPending: count,
});

type Stored = z.infer<typeof storedFormat>;
export type View = Omit<Stored, 'version' | 'atMs'>;

export interface ConsumerView extends View {
  readonly consumer: string;
  readonly atMs: number;
}

/** Each is written every five seconds. */
const freshMs = 20_000;
/** Removed by whoever finds it. */
const goneMs = 60_000;
/** Once no consumer is left. */
const keptMs = 600_000;
const sentencesMax = 20;
const sentenceMaxLength = 400;

export function createViewStore(
  redis: Pick<Redis, 'time' | 'hset' | 'hdel' | 'hgetall' | 'pexpire'>,
  namespace: string,
) {
  const key = consumerViewsKey(namespace);
  return {
    async write(consumer: string, view: View): Promise<void> {
      const atMs = Math.floor(await redisNowMs(redis));
      const { reasons, remarks } = view;
      const stored: Stored = { ...view, version: 1, atMs, reasons: bounded(reasons), remarks: bounded(remarks) };
      await redis.hset(key, consumer, JSON.stringify(stored));
      await redis.pexpire(key, keptMs);
    },
    async remove(consumer: string): Promise<void> {
      await redis.hdel(key, consumer);
    },
    /** What consumers that were killed have left. */
    async removeGone(): Promise<void> {
      const nowMs = await redisNowMs(redis);
      const gone = Object.entries(await redis.hgetall(key)).filter(([, text]) => {
        const view = decode(text);
        return view === undefined || Math.abs(nowMs - view.atMs) > goneMs;
      });
      if (gone.length > 0) await redis.hdel(key, ...gone.map(([consumer]) => consumer));
    },
    /** What is fresh. */
    async read(nowMs: number): Promise<ConsumerView[]> {
      return Object.entries(await redis.hgetall(key)).flatMap(([consumer, text]) => {
        const view = decode(text);
        return view === undefined || Math.abs(nowMs - view.atMs) > freshMs ? [] : [{ ...view, consumer }];
      });
    },
  };
}

export type ViewStore = ReturnType<typeof createViewStore>;

function bounded(sentences: readonly string[]): string[] {
  return sentences.slice(0, sentencesMax).map((text) => text.slice(0, sentenceMaxLength));
}

/** Another version's is as good as none. */
function decode(text: string): Stored | undefined {
  try {
    return storedFormat.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
