import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

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
  response.end(text);
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

export function sendNotFound(response: ServerResponse, path: string): void {
  sendError(response, 404, 'not_found', `There is nothing at ${path}.`);
}

/** 401, and a closed connection: what the client still sends would have to be read to keep it. */
export function sendUnauthorized(_request: IncomingMessage, response: ServerResponse): void {
  sendError(response, 401, 'unauthorized', 'Send the token of TALLYMAN_TOKEN as "Authorization: Bearer …".', {
    'www-authenticate': 'Bearer',
    connection: 'close',
  });
}
