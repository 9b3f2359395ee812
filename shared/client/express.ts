import type { IncomingMessage, ServerResponse } from 'node:http';
import { type RequestCounts, RequestUsage, type RequestUsageOptions } from './request-usage.ts';

export type { RequestCounts, RequestUsageOptions } from './request-usage.ts';

export interface UsageMiddleware<Request, Response> {
  (request: Request, response: Response, next: () => void): void;
  readonly counts: () => RequestCounts;
}

/** Express middleware: counts each request after its response was sent. A request whose client has gone away is not counted. */
export function usageMiddleware<Request extends IncomingMessage, Response extends ServerResponse>(
  options: RequestUsageOptions<Request, Response>,
): UsageMiddleware<Request, Response> {
  const usage = new RequestUsage(options);
  const middleware = (request: Request, response: Response, next: () => void): void => {
    response.once('finish', () => usage.count(request, response));
    next();
  };
  return Object.assign(middleware, { counts: () => usage.counts() });
}
