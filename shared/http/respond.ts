import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { nearestName } from '../config/nearest.ts';

const lingerMs = 10_000;

/** What every service may answer. Services have tables of their own beside this one; programs may branch on codes. */
export const httpErrorCodes = {
  bad_path: '400: the path is not written in its shortest form.',
  unauthorized: '401: the token of `TALLYMAN_TOKEN` is missing or another one.',
  not_found: '404: there is nothing at this path.',
  method_not_allowed: '405: the path takes other methods, named in `Allow`.',
  internal: '500: a fault of this service; the request may be sent again.',
} as const;

export function sendJson(response: ServerResponse, status: number, body: unknown, headers?: OutgoingHttpHeaders): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  const { req: request } = response;
  if (request.complete || (response.shouldKeepAlive && headers?.connection !== 'close')) {
    response.end(text);
    return;
  }
  // An answer in the middle of a request, on a connection that ends with it: closing it with bytes unread would reset it, and
  // the client could lose the answer. So it is closed when the client has sent all, or some time later.
  response.write(text);
  const end = (): void => {
    clearTimeout(patience);
    response.end();
  };
  const patience = setTimeout(end, lingerMs);
  request.on('end', end).on('close', end).resume();
}

/** `{"error": {code, message}}`: the code is for programs and stays, the message is for people and may change. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers?: OutgoingHttpHeaders,
): void {
  sendJson(response, status, { error: { code, message } }, headers);
}

/** 405 for a path that exists, with what may be asked of it. */
export function sendMethodNotAllowed(response: ServerResponse, method: string | undefined, allowed: string): void {
  sendError(response, 405, 'method_not_allowed', `${method ?? 'This method'} is not allowed here; ${allowed} is.`, {
    allow: allowed,
  });
}

/** 404 with what there is: `routes` are like "POST /v1/events", the most usual one first. */
export function sendNotFound(response: ServerResponse, path: string, routes: readonly string[]): void {
  sendError(response, 404, 'not_found', `There is nothing at ${path.slice(0, 200)}. ${routeHint(path, routes)}`);
}

/** The route that was probably meant, or all of them. */
export function routeHint(path: string, routes: readonly string[]): string {
  const meant = nearestName(path.slice(0, 200), routes.map(pathOfRoute));
  const near = routes.filter((route) => pathOfRoute(route) === meant);
  return near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `There is ${routes.join(', ')}.`;
}

function pathOfRoute(route: string): string {
  return route.slice(route.indexOf(' ') + 1);
}

/** 401, and the end of the connection: strangers keep none. */
export function sendUnauthorized(_request: IncomingMessage, response: ServerResponse): void {
  sendError(response, 401, 'unauthorized', 'Send the token of TALLYMAN_TOKEN as "Authorization: Bearer …".', {
    'www-authenticate': 'Bearer',
    connection: 'close',
  });
}
