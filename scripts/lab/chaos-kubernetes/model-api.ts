import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { KubeConfig } from '@kubernetes/client-node';

/**
 * As much of a Kubernetes API server as chaos talks to, over HTTP, so that the real client is used: a namespace with pods that come
 * back when they are deleted, one node, an autoscaler, and a load pod whose log and ledger the test decides.
 */
export interface ModelApi {
  readonly config: KubeConfig;
  /** `METHOD path` with what mattered of the body or query, of all calls that changed something. */
  readonly changes: readonly string[];
  close(): void;
}

export interface ModelCluster {
  readonly labels: Readonly<Record<string, string>>;
  /** Of the load pod, once it runs. */
  readonly log: () => string;
  readonly phase: () => string;
  readonly ledger: () => unknown;
}

const roles = ['tallyman-consumer', 'tallyman-publisher', 'broker'];

export async function startModelApi(cluster: ModelCluster): Promise<ModelApi> {
  const changes: string[] = [];
  let lives = 0;
  const pods = new Map(roles.map((role) => [role, `${role}-${lives++}`]));
  let bounds = { minReplicas: 3, maxReplicas: 16 };

  function answer(method: string, url: URL, body: Record<string, unknown>): unknown {
    const path = url.pathname.replace('/namespaces/tallyman', '');
    if (method !== 'GET') changes.push(`${method} ${path}${url.search} ${JSON.stringify(body['spec'] ?? {})}`);
    if (path === '/api/v1') return { metadata: { name: 'tallyman', labels: cluster.labels } };
    if (path.startsWith('/api/v1/pods/simulator-0')) return cluster.ledger();
    if (path === '/api/v1/pods' && method === 'POST') return body;
    if (path === '/api/v1/pods') return listPods(url);
    if (path.endsWith('/log')) return cluster.log();
    if (path.startsWith('/api/v1/pods/') && method === 'DELETE') return deletePod(path);
    if (path.startsWith('/api/v1/pods/')) return { metadata: {}, status: { phase: cluster.phase() } };
    if (path.endsWith('/statefulsets/simulator'))
      return {
        spec: {
          selector: {},
          template: { spec: { containers: [{ name: 'simulator', image: 'tallyman-laboratory:7' }] } },
        },
      };
    if (path.includes('/horizontalpodautoscalers/')) {
      if (method === 'PATCH') bounds = body['spec'] as typeof bounds;
      return { spec: { ...bounds, scaleTargetRef: { kind: 'Deployment', name: 'tallyman-consumer' } } };
    }
    if (path.startsWith('/api/v1/nodes/')) return { metadata: {} };
    return undefined;
  }
  function listPods(url: URL): unknown {
    const role = url.searchParams.get('labelSelector')?.split('=')[1] ?? '';
    return { items: [{ metadata: { name: pods.get(role) }, spec: { nodeName: 'node-1', containers: [] } }] };
  }
  function deletePod(path: string): unknown {
    const role = roles.find((name) => path.includes(`/${name}-`)) ?? '';
    pods.set(role, `${role}-${lives++}`);
    return { metadata: {} };
  }

  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const url = new URL(decodeURIComponent(request.url ?? '/'), 'http://model');
      const found = answer(
        request.method ?? 'GET',
        url,
        body === '' ? {} : (JSON.parse(body) as Record<string, unknown>),
      );
      const isText = typeof found === 'string';
      response.writeHead(found === undefined ? 404 : 200, {
        'content-type': isText ? 'text/plain' : 'application/json',
      });
      response.end(isText ? found : JSON.stringify(found ?? { kind: 'Status', code: 404 }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  const address = { name: 'model', server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
  config.loadFromClusterAndUser(address, { name: 'chaos' });
  return {
    config,
    changes,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
