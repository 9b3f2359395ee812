import type { ServerResponse } from 'node:http';
import { type RequestCounts, RequestUsage, type RequestUsageOptions } from './request-usage.ts';

export type { RequestCounts, RequestUsageOptions } from './request-usage.ts';

export interface UsageHook<Request, Reply> {
  (request: Request, reply: Reply, done: () => void): void;
  readonly counts: () => RequestCounts;
}

/**
 * A hook for Fastify's `onResponse`: counts each request after its response was sent. A request whose client has gone away is
 * not counted.
 */
export function usageHook<Request, Reply extends { readonly raw: ServerResponse }>(
  options: RequestUsageOptions<Request, Reply>,
): UsageHook<Request, Reply> {
  const usage = new RequestUsage(options);
  const hook = (request: Request, reply: Reply, done: () => void): void => {
    const { raw } = reply;
    // `inject` runs the hook when the answer is given, a moment before it calls it finished. A client that has left destroys it.
    if (raw.writableFinished || (raw.writableEnded && !raw.destroyed)) usage.count(request, reply);
    done();
  };
  return Object.assign(hook, { counts: () => usage.counts() });
}
