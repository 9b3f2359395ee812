import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { Secret } from '../config/secret.ts';
import { createLog } from '../log/log.ts';
import { Troubles } from '../log/troubles.ts';
import { until } from '../testing/until.ts';
import { connectRedis } from './client.ts';

// REDIS_URL named a web server: the log said so once, and `/readyz` only that "something on the way closed the connection".
it('keeps to what is wrong for good, whatever else its connections end with', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = createLog({ service: 'test', level: 'info' }, { write });
  const troubles = new Troubles(log);
  const redis = connectRedis(new Secret(`redis://127.0.0.1:${port}`), { name: 'test', log, troubles, random: () => 0 });
  onTestFinished(() => redis.disconnect());
  await until(() => connections >= 4);
  expect(lines).toMatchObject([{ level: 'error', reason: 'protocol' }]);
  expect(troubles.remarks).toEqual([expect.stringMatching(/what answers there does not speak Redis/)]);
});
