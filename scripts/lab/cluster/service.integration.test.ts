import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openNursery, type Nursery } from '../../../shared/testing/nursery.ts';
import { until } from '../../../shared/testing/until.ts';
import { startService } from './service.ts';

describe('a service in a process of its own', () => {
  let nursery: Nursery;
  beforeAll(async () => {
    nursery = await openNursery();
  });
  afterAll(() => nursery.close());

  it('is ready when it is started, tells its metrics, and drains with status 0', async () => {
    const simulator = await startService(nursery, 'stripe-simulator', { name: 'draining', env: {} });
    expect(await simulator.isReady()).toBe(true);
    expect((await simulator.metrics()).cpuSeconds).toBeGreaterThan(0);
    expect(await simulator.drain()).toEqual({ code: 0, signal: null });
    expect(simulator.hasFailed).toBe(false);
    expect(await simulator.isReady()).toBe(false);
  });

  it('can be killed and started again at its address', async () => {
    const simulator = await startService(nursery, 'stripe-simulator', { name: 'killed', env: {} });
    const { pid } = simulator;
    expect(await simulator.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    await simulator.restart();
    expect(simulator.pid).not.toBe(pid);
    expect(await simulator.isReady()).toBe(true);
  });

  it('stands still while it is frozen', async () => {
    const simulator = await startService(nursery, 'stripe-simulator', { name: 'frozen', env: {} });
    simulator.freeze();
    await expect(simulator.metrics()).rejects.toThrow(/aborted|timeout/i);
    simulator.thaw();
    await until(() => simulator.isReady());
  });

  it('is known to have failed when it ends unasked', async () => {
    const simulator = await startService(nursery, 'stripe-simulator', { name: 'failing', env: {} });
    process.kill(simulator.pid, 'SIGKILL');
    await until(() => simulator.exit !== undefined);
    expect(simulator.hasFailed).toBe(true);
  });

  it('says what it said when it does not start', async () => {
    const env = { TALLYMAN_SIM_LATENCY: 'eternal' };
    await expect(startService(nursery, 'stripe-simulator', { name: 'refused', env })).rejects.toThrow(
      /refused did not become ready: it ended with status 78[^]*TALLYMAN_SIM_LATENCY/,
    );
  });
});
