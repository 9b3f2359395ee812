import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { until } from '../../../shared/testing/until.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
let child: ChildProcess | undefined;

afterEach(() => child?.kill('SIGKILL'));

/** Resolves with what `pattern` found in the output, or with undefined when the process ends without it. */
async function start(env: Record<string, string>, pattern: RegExp): Promise<string | undefined> {
  child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      const found = pattern.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
  }
  child.on('exit', () => resolve(undefined));
  return promise;
}

async function exitCode(): Promise<unknown> {
  const [code] = child?.exitCode === null ? ((await once(child, 'exit')) as [number | null]) : [child?.exitCode];
  return code;
}

it('answers a call in progress after SIGTERM, and exits with 0', async () => {
  const settings = { TALLYMAN_PORT: '0', TALLYMAN_SIM_METERS: 'api:sum', TALLYMAN_SIM_LATENCY: 'fixed:500' };
  const port = await start(settings, /"port":(\d+)/);
  const address = `http://127.0.0.1:${port}`;
  const answer = fetch(`${address}/v1/billing/meter_events`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_1' },
    body: 'event_name=api&payload[stripe_customer_id]=cus_1&payload[value]=1',
  });
  await until(async () => {
    const metrics = await (await fetch(`${address}/metrics`)).text();
    expect(metrics).toMatch(/^tallyman_simulator_in_flight_calls\S* 1$/m);
  });
  child?.kill('SIGTERM');
  expect((await answer).status).toBe(200);
  expect(await exitCode()).toBe(0);
});

it('exits with 78 and names the fault of its configuration', async () => {
  expect(await start({ TALLYMAN_SIM_LATENCY: 'often' }, /(TALLYMAN_SIM_LATENCY is "often")/)).toBeDefined();
  expect(await exitCode()).toBe(78);
});
