import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';

/** Where the API server is, and who asks. */
export interface ApiServer {
  readonly url: string;
  /** Folder of a service account: `token`, and `ca.crt` of whoever signs for the API server. */
  readonly account: string;
}

/** As every pod finds them. */
export const inCluster: ApiServer = {
  url: 'https://kubernetes.default.svc',
  account: '/var/run/secrets/kubernetes.io/serviceaccount',
};

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** Merges `patch` into a pod (JSON merge patch). Rejects unless the API server says that it is done. */
export async function patchPod(
  { url, account }: ApiServer,
  { namespace, name }: PodName,
  patch: object,
  signal: AbortSignal,
): Promise<void> {
  // Read for each call: Kubernetes replaces the token before it expires.
  const [token, ca] = await Promise.all(
    ['token', 'ca.crt'].map((file) => readFile(join(account, file), { encoding: 'utf8', signal })),
  );
  const dispatcher = new Agent({ connect: { ca } });
  try {
    const path = `api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    const { statusCode, body } = await request(`${url}/${path}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${token?.trim()}`, 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify(patch),
      dispatcher,
      signal,
    });
    const said = await body.text();
    if (statusCode !== 200) throw new Error(`The API server answered ${statusCode}: ${said.slice(0, 300)}`);
  } finally {
    await dispatcher.destroy();
  }
}
