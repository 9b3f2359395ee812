import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CatalogLook,
  type CatalogStore,
  createCatalogStore,
  wantNewerLists,
} from '../../../services/consumer/src/meters/stored-catalog.ts';
import { clusterKeyPrefix } from '../../../shared/topology/names.ts';
import { onRedis, type RedisPlace } from '../backing.ts';
import type { MetersOptions } from '../meters.ts';
import { exitCodes } from '../program.ts';
import { metersText, plainMeters } from './text.ts';

const pollMs = 500;
/** Consumers look for it every ten seconds, for a connected account every minute. */
const readWithinMs = { platform: 30_000, connected: 90_000 };

/** What the consumers know of Stripe's meters. */
export function meters({ read = false, account, json = false }: MetersOptions): Promise<number> {
  return onRedis(process.env, (place) => show(place, { read, account, json }));
}

async function show(
  { redis, namespace }: RedisPlace,
  { read, account, json }: { readonly read: boolean; readonly account: string | undefined; readonly json: boolean },
): Promise<number> {
  const keyPrefix = clusterKeyPrefix(namespace);
  const store = createCatalogStore(redis, keyPrefix, account);
  const looked = read ? await readAgain(store, await wantNewerLists(redis, keyPrefix), account) : await store.look();
  if (looked === undefined) {
    console.error(
      'No consumer has read the meters since: usage is counted by the list before. Is a consumer running, and can it reach Stripe? Its log says why not.',
    );
    return exitCodes.unavailable;
  }
  const { stored, redisMs } = looked;
  if (stored === undefined) {
    console.error(
      account === undefined
        ? `The consumers of ${namespace} have not read any meters yet: nothing is counted before they have. Their logs say why.`
        : `The consumers of ${namespace} have no meters of ${account}: it had no usage so far, or they cannot be read.`,
    );
    return exitCodes.refused;
  }
  console.log(json ? JSON.stringify(plainMeters(stored)) : metersText(stored, redisMs));
  return exitCodes.done;
}

/** Undefined when nobody has read it in time. */
async function readAgain(
  store: CatalogStore,
  wantedAtMs: number,
  account: string | undefined,
): Promise<CatalogLook | undefined> {
  const deadlineMs = performance.now() + (account === undefined ? readWithinMs.platform : readWithinMs.connected);
  while (performance.now() < deadlineMs) {
    const looked = await store.look();
    if (looked.stored !== undefined && looked.stored.readAtMs >= wantedAtMs) return looked;
    await sleep(pollMs);
  }
  return undefined;
}
