import type { IncomingMessage, ServerResponse } from 'node:http';
import { type RequestCounts, RequestUsage, type RequestUsageOptions } from './request-usage.ts';

export type { RequestCounts, RequestUsageOptions } from './request-usage.ts';

export interface UsageMiddleware<Request, Response> {
  (request: Request, response: Response, next: () => void): void;
  readonly counts: () => RequestCounts;
}

/** Express middleware: counts each request once its answer is out. An answer that the client did not wait for is not counted. */
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
