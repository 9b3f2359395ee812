import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { until } from '../../../../shared/testing/until.ts';
import { deletionCost } from './deletion-cost.ts';
import { noteDeletionCost } from './pod.ts';

interface Call {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Something that an API server would be told, and how it answers. */
async function startApi(statusOf: (call: number) => number) {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      calls.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      response.writeHead(statusOf(calls.length), { 'content-type': 'application/json' });
      response.end(JSON.stringify({ kind: 'Pod', apiVersion: 'v1', metadata: {} }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromClusterAndUser(
    { name: 'test', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'test' },
  );
  return { calls, connect: async () => config.makeApiClient(CoreV1Api) };
}

function watch(api: Awaited<ReturnType<typeof startApi>>, held: () => number): void {
  const stopping = new AbortController();
  const log = createLog({ service: 'consumer', level: 'silent' });
  const options = {
    name: 'consumer-abc',
    namespace: 'billing',
    messagesHeld: held,
    log,
    connect: api.connect,
    everyMs: 10,
  };
  const noting = noteDeletionCost(options, stopping.signal);
  onTestFinished(() => {
    stopping.abort();
    return noting;
  });
}

const noted = (calls: readonly Call[]) =>
  calls.map(({ body }) => (JSON.parse(body) as { metadata: { annotations: object } }).metadata.annotations);

it('notes what the pod holds on itself, and writes again only when that has changed', async () => {
  const api = await startApi(() => 200);
  let held = 5_000;
  let looks = 0;
  watch(api, () => {
    looks++;
    return held;
  });
  await until(() => looks > 5);
  expect(api.calls).toHaveLength(1);
  expect(api.calls[0]).toMatchObject({
    line: 'PATCH /api/v1/namespaces/billing/pods/consumer-abc',
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  held = 100;
  await until(() => api.calls.length === 2);
  expect(noted(api.calls)).toEqual([
    { 'controller.kubernetes.io/pod-deletion-cost': String(deletionCost(5_000)) },
    { 'controller.kubernetes.io/pod-deletion-cost': String(deletionCost(100)) },
  ]);
});

it('goes on when the API server refuses or fails, and notes it later', async () => {
  const api = await startApi((call) => [403, 500][call - 1] ?? 200);
  watch(api, () => 100);
  await until(() => api.calls.length >= 3);
  expect(noted(api.calls).at(-1)).toEqual({ 'controller.kubernetes.io/pod-deletion-cost': String(deletionCost(100)) });
});
