import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Traffic {
  /** Of requests whose head is here, until they are sent. */
  readonly responses: Set<ServerResponse>;
  /** Read on the connection when it last owed nothing: more than that is the beginning of a request. */
  settledBytes: number;
}

/** After a stop, what a client may take for the rest of its request, or for an answer that is ready. */
const unfinishedMs = 2_000;

/**
 * The connections of a server, so that it can stop: who is owed nothing is hung up on at once (silent or between two requests), who is
 * owed an answer gets it, and who has sent half a request, or does not read, has two seconds. Node's own idle connections are
 * only those that have had a request.
 */
export class Connections {
  readonly #server: Server;
  readonly #traffic = new Map<Socket, Traffic>();
  #isStopping = false;

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#traffic.set(socket, { responses: new Set(), settledBytes: 0 });
      socket.on('close', () => this.#traffic.delete(socket));
    });
    server.prependListener('request', (request, response) => this.#requested(request, response));
  }

  /** Resolves when nothing listens and every connection is closed, `withinMs` from now at the latest. */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const [socket, { responses }] of this.#traffic) {
      for (const response of responses) response.shouldKeepAlive = false;
      this.#endIdle(socket);
    }
    const unfinished = setTimeout(() => this.#endUnfinished(), Math.min(unfinishedMs, withinMs));
    const deadline = setTimeout(() => this.#server.closeAllConnections(), withinMs);
    await promise;
    clearTimeout(unfinished);
    clearTimeout(deadline);
  }

  #requested({ socket }: IncomingMessage, response: ServerResponse): void {
    const traffic = this.#traffic.get(socket);
    if (traffic === undefined) throw new Error('A request came on a connection that the server did not announce.');
    if (this.#isStopping) response.shouldKeepAlive = false;
    traffic.responses.add(response);
    response.on('close', () => {
      traffic.responses.delete(response);
      traffic.settledBytes = socket.bytesRead;
      if (this.#isStopping) this.#endIdle(socket);
    });
  }

  #endIdle(socket: Socket): void {
    const traffic = this.#traffic.get(socket);
    if (traffic?.responses.size === 0 && socket.bytesRead <= traffic.settledBytes) socket.destroy();
  }

  #endUnfinished(): void {
    for (const [socket, { responses }] of this.#traffic) {
      if (![...responses].some(isOwed)) socket.destroy();
    }
  }
}

function isOwed(response: ServerResponse): boolean {
  return response.req.complete && !response.writableEnded;
}
