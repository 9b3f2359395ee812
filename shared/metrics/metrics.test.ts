import { Counter } from 'prom-client';
import { expect, it } from 'vitest';
import { createRegistry } from './metrics.ts';

it('names the service on every metric, the ones of the process included', async () => {
  const registry = createRegistry('consumer');
  new Counter({ name: 'tallyman_test_total', help: 'Tests.', registers: [registry] }).inc();
  const text = await registry.metrics();
  expect(text).toContain('tallyman_test_total{service="consumer"} 1');
  expect(text).toContain('process_resident_memory_bytes{service="consumer"}');
});

it('keeps registries apart', async () => {
  new Counter({ name: 'tallyman_test_total', help: 'Tests.', registers: [createRegistry('one')] });
  expect(await createRegistry('two').metrics()).not.toContain('tallyman_test_total');
});
