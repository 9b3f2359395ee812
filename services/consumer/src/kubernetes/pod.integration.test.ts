import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { type Authority, makeAuthority } from '../../../../shared/testing/authority.ts';
import { until } from '../../../../shared/testing/until.ts';
import type { ApiServer } from './api-server.ts';
import { deletionCost } from './deletion-cost.ts';
import { noteDeletionCost } from './pod.ts';

interface Call {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Api extends ApiServer {
  readonly calls: readonly Call[];
}

let authority: Authority;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-api-'));
  authority = await makeAuthority(folder);
  return () => rm(folder, { recursive: true });
});

/** Something that an API server would be told, and how it answers. Its certificate is what a service account trusts. */
async function startApi(statusOf: (call: number) => number): Promise<Api> {
  const calls: Call[] = [];
  const account = await mkdtemp(join(tmpdir(), 'tallyman-account-'));
  const { ca, certificate, key } = await authority.issue('api-server');
  await Promise.all([
    writeFile(join(account, 'token'), 'first\n'),
    writeFile(join(account, 'ca.crt'), await readFile(ca)),
  ]);
  const server = createServer({ cert: await readFile(certificate), key: await readFile(key) }, (request, response) => {
    void text(request).then((body) => {
      calls.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      response.writeHead(statusOf(calls.length), { 'content-type': 'application/json' });
      response.end(JSON.stringify({ kind: 'Pod', apiVersion: 'v1', metadata: {} }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.close();
    await rm(account, { recursive: true });
  });
  return { calls, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, account };
}

function watch(api: ApiServer, held: () => number): readonly string[] {
  const stopping = new AbortController();
  const lines: string[] = [];
  const log = createLog({ service: 'consumer', level: 'warn' }, { write: (line: string) => lines.push(line) });
  const options = { name: 'consumer-abc', namespace: 'billing', messagesHeld: held, log, api, everyMs: 10 };
  const noting = noteDeletionCost(options, stopping.signal);
  onTestFinished(() => {
    stopping.abort();
    return noting;
  });
  return lines;
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
    headers: { 'content-type': 'application/merge-patch+json', authorization: 'Bearer first' },
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

it('shows the token that its folder holds now, and trusts nobody whom its authority has not signed for', async () => {
  const api = await startApi(() => 200);
  let held = 100;
  watch(api, () => held);
  await until(() => api.calls.length === 1);
  await writeFile(join(api.account, 'token'), 'second\n');
  held = 5_000;
  await until(() => api.calls.length === 2);
  expect(api.calls.map(({ headers }) => headers.authorization)).toEqual(['Bearer first', 'Bearer second']);

  const stranger = await startApi(() => 200);
  const other = await makeAuthority(join(stranger.account, 'other'));
  await writeFile(join(stranger.account, 'ca.crt'), await readFile(other.ca));
  const said = watch(stranger, () => 100);
  await until(() => said.length > 0);
  expect(said.join('')).toContain('could not be noted');
  expect(stranger.calls).toEqual([]);
});
