/**
 * What the simulator costs: `node services/stripe-simulator/bench/load.ts [seconds]`.
 * Calls come at a fixed pace, each for another customer, over as many connections as they need; then as fast as 256
 * connections carry them. Prints calls per second, what was added to the latency asked for, CPU and memory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const seconds = Number(process.argv[2] ?? 8);
const customers = 50_000;

interface Run {
  readonly calls: number;
  readonly failed: number;
  readonly elapsedMs: number;
  readonly latenciesMs: readonly number[];
}

async function start(env: Record<string, string>): Promise<{ readonly child: ChildProcess; readonly origin: string }> {
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, TALLYMAN_PORT: '0', TALLYMAN_SIM_METERS: 'api:sum', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout?.setEncoding('utf8') ?? []) {
    output += String(chunk);
    const port = /"port":(\d+)/.exec(output)?.[1];
    if (port !== undefined) return { child, origin: `http://127.0.0.1:${port}` };
  }
  throw new Error(`The simulator did not start: ${output}`);
}

let sequence = 0;

async function call(pool: Pool, latenciesMs: number[]): Promise<boolean> {
  sequence += 1;
  const startedAt = performance.now();
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/v1/billing/meter_events',
    headers: {
      authorization: 'Bearer sk_live_bench',
      'content-type': 'application/x-www-form-urlencoded',
      'idempotency-key': `bench-${sequence}`,
    },
    body:
      `event_name=api&identifier=tm1-0123456789abcdef-${sequence}&timestamp=${Math.floor(Date.now() / 1_000)}` +
      `&payload[stripe_customer_id]=cus_${sequence % customers}&payload[value]=${sequence % 1_000}.25`,
  });
  await body.dump();
  latenciesMs.push(performance.now() - startedAt);
  return statusCode === 200;
}

/** `ratePerS` calls each second, evenly, whether or not earlier ones were answered. */
async function paced(pool: Pool, ratePerS: number): Promise<Run> {
  const latenciesMs: number[] = [];
  const pending: Promise<boolean>[] = [];
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * 1_000) {
    const due = ((performance.now() - startedAt) / 1_000) * ratePerS;
    while (pending.length < due) pending.push(call(pool, latenciesMs));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const results = await Promise.all(pending);
  const elapsedMs = performance.now() - startedAt;
  return { calls: results.length, failed: results.filter((ok) => !ok).length, elapsedMs, latenciesMs };
}

/** As many at once as there are connections. */
async function flatOut(pool: Pool, connections: number): Promise<Run> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  let failed = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - startedAt < seconds * 1_000) if (!(await call(pool, latenciesMs))) failed += 1;
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return { calls: latenciesMs.length, failed, elapsedMs: performance.now() - startedAt, latenciesMs };
}

async function metricOf(pool: Pool, name: string): Promise<number> {
  const { body } = await pool.request({ method: 'GET', path: '/metrics' });
  return Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(await body.text())?.[1]);
}

async function measure(title: string, env: Record<string, string>, run: (pool: Pool) => Promise<Run>): Promise<void> {
  const { child, origin } = await start(env);
  const pool = new Pool(origin, { connections: 1_000, pipelining: 1 });
  try {
    const cpuBefore = await metricOf(pool, 'process_cpu_seconds_total');
    const { calls, failed, elapsedMs, latenciesMs } = await run(pool);
    const cpuS = (await metricOf(pool, 'process_cpu_seconds_total')) - cpuBefore;
    const rssMb = (await metricOf(pool, 'process_resident_memory_bytes')) / 1_048_576;
    const sorted = latenciesMs.toSorted((left, right) => left - right);
    const percentile = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
    const ledgerStartedAt = performance.now();
    const { body } = await pool.request({ method: 'GET', path: '/_sim/ledger' });
    const { totals } = (await body.json()) as { totals: unknown[] };
    const ledgerMs = performance.now() - ledgerStartedAt;
    console.log(
      `${title}: ${Math.round((calls * 1_000) / elapsedMs)} calls/s, ${failed} failed, ` +
        `p50 ${percentile(0.5)} ms, p99 ${percentile(0.99)} ms, ${Math.round((cpuS * 1e6) / calls)} µs CPU per call, ` +
        `RSS ${Math.round(rssMb)} MB; ledger of ${totals.length} lanes in ${Math.round(ledgerMs)} ms`,
    );
  } finally {
    await pool.destroy();
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

const unlimited = { TALLYMAN_SIM_RATE_PER_S: '1000000' };
await measure('1,000 calls/s, latency 200 ms', { ...unlimited, TALLYMAN_SIM_LATENCY: 'fixed:200' }, (pool) =>
  paced(pool, 1_000),
);
await measure('as fast as 256 connections go, latency 0', { ...unlimited, TALLYMAN_SIM_LATENCY: 'fixed:0' }, (pool) =>
  flatOut(pool, 256),
);
