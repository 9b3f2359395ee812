import type { TestProject } from 'vitest/node';
import { startBroker } from './broker.ts';
import { openNursery } from './nursery.ts';
import { startRedis } from './redis.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly amqpUrl: string;
    readonly redisUrl: string;
  }
}

/** Vitest's global setup of the integration tests: one broker and one Redis for the whole run, see shared-services.ts. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const nursery = await openNursery();
  try {
    const [broker, redis] = await Promise.all([startBroker({ nursery }), startRedis({ nursery })]);
    project.provide('amqpUrl', broker.url);
    project.provide('redisUrl', redis.url);
    return async () => {
      await Promise.all([broker.stop(), redis.stop()]);
      await nursery.close();
    };
  } catch (error) {
    await nursery.close();
    throw error;
  }
}
