import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as backoff } from 'node:timers/promises';
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

// Once, a simulator that stood still for a moment (a busy machine) read both calls together, found that the first
// connection was open, and accused a client that had given the first one up before it sent the second.
it('does not take a call that follows one given up for two calls at once, even if it reads both at the same time', async () => {
  const settings = { TALLYMAN_PORT: '0', TALLYMAN_SIM_METERS: 'api:sum', TALLYMAN_SIM_LATENCY: 'fixed:20' };
  const port = Number(await start(settings, /"port":(\d+)/));
  const body = 'event_name=api&payload[stripe_customer_id]=cus_1&payload[value]=1';
  const head = `POST /v1/billing/meter_events HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer sk_test_1\r\ncontent-length: ${body.length}`;
  const rounds = 20;
  for (let round = 0; round < rounds; round++) {
    const [givenUp, next] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    await Promise.all([once(givenUp, 'connect'), once(next, 'connect')]);
    child?.kill('SIGSTOP');
    givenUp.end(`${head}\r\n\r\n${body}`);
    await once(givenUp, 'finish');
    // As a client backs off. Without it the kernel may deliver the later connection's bytes first.
    await backoff(20);
    next.end(`${head}\r\n\r\n${body}`);
    await once(next, 'finish');
    child?.kill('SIGCONT');
    await once(next.resume(), 'close');
    givenUp.destroy();
  }
  const ledger: unknown = await (await fetch(`http://127.0.0.1:${port}/_sim/ledger`)).json();
  expect(ledger).toMatchObject({ calls: 2 * rounds, concurrencyViolations: 0 });
});

it('exits with 78 and names the fault of its configuration', async () => {
  expect(await start({ TALLYMAN_SIM_LATENCY: 'often' }, /(TALLYMAN_SIM_LATENCY is "often")/)).toBeDefined();
  expect(await exitCode()).toBe(78);
});
