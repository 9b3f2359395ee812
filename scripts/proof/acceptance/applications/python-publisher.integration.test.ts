/** The Python example that speaks the broker's format, on a real broker whose confirms get lost. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { declareQueues, openGate, takeAll } from '../../../../services/publisher/src/testing.ts';
import { plainEnvironment } from '../../../../shared/testing/child.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { until } from '../../../../shared/testing/until.ts';

const folder = join(import.meta.dirname, '../../../../shared/client/examples/python');
const env = { ...plainEnvironment(), PYTHONPATH: process.env['PYTHONPATH'], PYTHONDONTWRITEBYTECODE: '1' };

/** Publishes one event for each line that it is given, and says so once it is durable. */
const driver = `
import sys
sys.path.insert(0, ${JSON.stringify(folder)})
from broker_publisher import Publisher
publisher = Publisher(sys.argv[1], sys.argv[2])
for line in sys.stdin:
    publisher.publish([{"id": line.strip(), "customer": "Zoë", "meter": "tokens"}])
    print(line.strip(), flush=True)
publisher.close()
`;

it('the Python publisher publishes the same bytes under the same number when a confirm is lost', async ({ skip }) => {
  if (spawnSync('python3', ['-c', 'import pika'], { env, stdio: 'ignore' }).status !== 0) {
    skip('python3 with pika is missing (Debian: python3-pika): the Python publisher was NOT tried');
  }
  const { amqpUrl, namespace } = sharedServices();
  await declareQueues(amqpUrl, namespace);
  const gate = await openGate(Number(new URL(amqpUrl).port));
  onTestFinished(() => gate.close());
  const publisher = spawn('python3', ['-c', driver, gate.url, namespace], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void publisher.kill());
  const lines = createInterface({ input: publisher.stdout })[Symbol.asyncIterator]();
  const publish = async (id: string): Promise<unknown> => {
    publisher.stdin.write(`${id}\n`);
    return (await lines.next()).value;
  };

  expect(await publish('calm')).toBe('calm');
  gate.muffle();
  const muffled = publish('muffled');
  await until(async () => expect(await takeAll(amqpUrl, namespace, 'keep')).toHaveLength(2));
  gate.cut();
  expect(await muffled).toBe('muffled');
  expect(await publish('after')).toBe('after');
  publisher.stdin.end();
  expect(await once(publisher, 'exit')).toEqual([0, null]);

  const stored = await takeAll(amqpUrl, namespace);
  const first = stored[1];
  expect(stored.map(({ origin, message }) => [origin.sequence, message.events.map(({ id }) => id)])).toEqual([
    [1, ['calm']],
    [2, ['muffled']],
    [2, ['muffled']],
    [3, ['after']],
  ]);
  expect(stored[2]?.body).toEqual(first?.body);
  expect(stored.every(({ persistent, routingKey, origin }) => persistent && routingKey === String(origin.slot))).toBe(
    true,
  );
  expect(new Set(stored.map(({ origin }) => origin.producer)).size).toBe(1);
});
