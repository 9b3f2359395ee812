import { Redis } from 'ioredis';
import { type Broker, startBroker } from '../../../shared/testing/broker.ts';
import type { BackingService } from '../../../shared/testing/backing-service.ts';
import { openNursery, type Nursery } from '../../../shared/testing/nursery.ts';
import { startRedis } from '../../../shared/testing/redis.ts';
import { type RunningService, startService } from '../../lab/cluster/service.ts';
import { simulatorMeters } from '../../lab/load/catalogue.ts';

/** What every cluster of a run stands on, one after the other: they cost seconds to start, and each cluster has a namespace. */
export interface Ground {
  readonly nursery: Nursery;
  readonly broker: Broker;
  /** Every write is synced (`appendfsync always`). */
  readonly redis: BackingService;
  /** A process of its own, which no fault may end: its ledger is one half of the audit. */
  readonly simulator: RunningService;
  /** To look into Redis; reconnects by itself. */
  readonly journal: Redis;
  close(): Promise<void>;
}

export async function openGround(): Promise<Ground> {
  const nursery = await openNursery();
  try {
    const [broker, redis, simulator] = await Promise.all([
      startBroker({ nursery }),
      startRedis({ nursery }),
      startService(nursery, 'stripe-simulator', {
        name: 'stripe-simulator',
        env: {
          TALLYMAN_SIM_METERS: simulatorMeters,
          TALLYMAN_SIM_LATENCY: 'uniform:10:60',
          TALLYMAN_SIM_RATE_PER_S: '1000',
        },
      }),
    ]);
    const journal = new Redis(redis.url, { maxRetriesPerRequest: null });
    journal.on('error', () => {
      // It is taken away just now, on purpose.
    });
    const close = async (): Promise<void> => {
      journal.disconnect();
      await Promise.all([broker.stop(), redis.stop()]);
      await nursery.close();
    };
    return { nursery, broker, redis, simulator, journal, close };
  } catch (error) {
    await nursery.close();
    throw error;
  }
}
