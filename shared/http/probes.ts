import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from '../metrics/metrics.ts';
import { sendJson, sendMethodNotAllowed } from './respond.ts';

export interface Readiness {
  readonly ready: boolean;
  readonly state: string;
  /** Why it is not ready, as sentences. */
  readonly reasons: readonly string[];
  /** What a person should know though it is ready, as sentences. */
  readonly remarks?: readonly string[];
}

export interface Probes {
  readonly registry: Registry;
  readonly readiness: () => Readiness;
}

export const probeRoutes = ['GET /healthz', 'GET /readyz', 'GET /metrics'] as const;

/** Answers /healthz, /readyz and /metrics; false if the path is none of them. A failure to collect metrics rejects. */
export async function answerProbe(
  path: string,
  { registry, readiness }: Probes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (path !== '/healthz' && path !== '/readyz' && path !== '/metrics') return false;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendMethodNotAllowed(response, request.method, 'GET');
  } else if (path === '/healthz') {
    sendJson(response, 200, { status: 'ok' });
  } else if (path === '/readyz') {
    const now = readiness();
    sendJson(response, now.ready ? 200 : 503, now);
  } else {
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType }).end(text);
  }
  return true;
}
