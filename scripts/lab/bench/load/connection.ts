import { connect, type Socket } from 'node:net';
import { readAnswer } from './answer.ts';
import type { RequestTemplate } from './request.ts';

/** A request that was answered 202: taken whole, or recognised whole if it was sent before. */
export interface Delivered {
  readonly template: RequestTemplate;
  /** It was a repetition, under ids that were answered before. */
  readonly again: boolean;
  readonly tookMs: number;
}

export interface ConnectionHandlers {
  delivered(connection: Connection, delivered: Delivered): void;
  /** Anything else: the bench injects no faults, so this is the end of it. */
  failed(error: Error): void;
}

/**
 * One keep-alive connection of a usual client: one request at a time, the next one only after the answer. It owns its
 * templates, because a buffer must not change before it is sent, and only the answer proves that it was.
 */
export class Connection {
  readonly templates: readonly RequestTemplate[];
  readonly #handlers: ConnectionHandlers;
  readonly #socket: Socket;
  readonly #taken: string;
  readonly #recognised: string;
  #turn = 0;
  #sent: { readonly template: RequestTemplate; readonly again: boolean; readonly atMs: number } | undefined;
  #received = '';

  private constructor(socket: Socket, templates: readonly RequestTemplate[], handlers: ConnectionHandlers) {
    this.#socket = socket;
    this.templates = templates;
    this.#handlers = handlers;
    const events = templates[0]?.events.length;
    this.#taken = JSON.stringify({ accepted: events, duplicates: 0, rejected: [] });
    this.#recognised = JSON.stringify({ accepted: 0, duplicates: events, rejected: [] });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', (error) => handlers.failed(error));
    socket.on('close', () => handlers.failed(new Error('a sidecar closed its connection')));
  }

  /** All templates hold equally many events. */
  static async open(
    url: string,
    templates: readonly RequestTemplate[],
    handlers: ConnectionHandlers,
  ): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Connection(socket, templates, handlers);
  }

  /** Sends the next template, under new ids. */
  send(number: number): void {
    const template = this.templates[this.#turn];
    if (template === undefined) throw new Error('a connection needs a template');
    this.#turn = (this.#turn + 1) % this.templates.length;
    template.renew(number, Date.now());
    this.#write(template, false);
  }

  /** Sends this one again as it is. */
  repeat(template: RequestTemplate): void {
    this.#write(template, true);
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #write(template: RequestTemplate, again: boolean): void {
    this.#sent = { template, again, atMs: performance.now() };
    this.#socket.write(template.bytes);
  }

  #receive(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text;
    try {
      const answer = readAnswer(this.#received);
      if (answer === undefined) return;
      this.#received = '';
      const sent = this.#sent;
      this.#sent = undefined;
      if (sent === undefined) throw new Error('a sidecar answered twice');
      const { template, again, atMs } = sent;
      if (answer.status !== 202 || answer.body !== (again ? this.#recognised : this.#taken)) {
        throw new Error(`a sidecar answered ${answer.status} to valid events: ${answer.body.slice(0, 500)}`);
      }
      this.#handlers.delivered(this, { template, again, tookMs: performance.now() - atMs });
    } catch (error) {
      this.#handlers.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
