import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  type CatalogLook,
  type CatalogStore,
  createCatalogStore,
  wantNewerLists,
} from '../../services/consumer/src/meters/stored-catalog.ts';
import { clusterKeyPrefix } from '../../shared/topology/names.ts';
import { exitCodes, onRedis, type RedisPlace } from './backing.ts';
import { metersText } from './meters/text.ts';

/** `npm run meters`: what the consumers know of Stripe's meters. */
const usage = `npm run meters -- [--read] [--account ID]

What the consumers of REDIS_URL know of Stripe's meters, and since when. Usage is counted by that.

  --read          has them read the list again first: after a meter was made anew, or archived
  --account ID    of a connected account instead of the platform's own
`;

const pollMs = 500;
/** Consumers look for it every ten seconds, for a connected account every minute. */
const readWithinMs = { platform: 30_000, connected: 90_000 };

async function meters(args: readonly string[]): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: { read: { type: 'boolean' }, account: { type: 'string' }, help: { type: 'boolean' } },
    }));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return exitCodes.usage;
  }
  if (values.help === true) {
    console.log(usage);
    return exitCodes.done;
  }
  const { read = false, account } = values;
  return onRedis(process.env, (place) => show(place, read, account));
}

async function show({ redis, namespace }: RedisPlace, read: boolean, account: string | undefined): Promise<number> {
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
  console.log(metersText(stored, redisMs));
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

process.exitCode = await meters(process.argv.slice(2));
