import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openNursery, type Nursery } from '../../../../shared/testing/nursery.ts';
import { until } from '../../../../shared/testing/until.ts';
import { postEvents } from '../../../lab/cluster/requests.ts';
import { type RunningService, startService } from '../../../lab/cluster/service.ts';

const nobody = 'amqp://127.0.0.1:9';
const point = 'spool-sync-after';
const failpoints = new URL('failpoints.ts', import.meta.url).href;

let nursery: Nursery;
let sidecar: RunningService;
const file = (name: string): string => join(nursery.folder, name);
const arm = (time: number): void => writeFileSync(file(point), String(time));
const hasReached = (): boolean => existsSync(file(`${point}.reached`));
const post = (id: string): Promise<unknown> => postEvents(sidecar, { id, customer: 'cus_1', meter: 'tokens' });

// Without a broker everything is spooled.
beforeEach(async () => {
  nursery = await openNursery();
  const env = { AMQP_URL: nobody, NODE_OPTIONS: `--import=${failpoints}`, FAILPOINT_FOLDER: nursery.folder };
  sidecar = await startService(nursery, 'publisher', { name: 'publisher', env });
});
afterEach(() => nursery.close());

it('changes nothing while no point is armed', async () => {
  await post('one');
  expect(hasReached()).toBe(false);
});

it('holds the process at the point, the time that was asked for, and once', async () => {
  arm(2);
  await post('one');
  expect(hasReached()).toBe(false);

  let answered = false;
  const second = post('two').then(() => (answered = true));
  await until(hasReached);
  expect(await sidecar.isReady(), 'it stands still').toBe(false);
  expect(answered).toBe(false);

  sidecar.thaw();
  await second;
  await post('three');
});
