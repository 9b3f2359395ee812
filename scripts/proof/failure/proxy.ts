import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy on loopback between a process and one that it connects to, for what networks do to connections.
 *
 *   open ──cut──▶ cut: connections end, new ones end at once        ──restore──▶ open
 *        ──stall──▶ stalled: nothing flows, nothing ends             ──restore──▶ open, and what was sent arrives
 *        ──loseAnswers──▶ deaf: requests arrive, answers do not      ──restore──▶ open; connections that missed something are reset
 *
 * `reset` and `halfOpen` happen to the connections that there are at that moment, in any state; new ones are not concerned.
 */
type State = 'open' | 'cut' | 'stalled' | 'deaf';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  missedAnswers: boolean;
  /** The server's side is gone, and the client's is not told. */
  isHalfOpen: boolean;
}

export class Proxy {
  /** The target's address, with this proxy for host and port. */
  readonly url: string;
  readonly #listener: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<Pair>();
  #state: State = 'open';
  #lostBytes = 0;

  private constructor(listener: Server, url: URL) {
    this.#listener = listener;
    this.#target = { host: url.hostname, port: Number(url.port) };
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((listener.address() as AddressInfo).port);
    this.url = through.href.replace(/\/$/, '');
    listener.on('connection', (client) => this.#accept(client));
  }

  /** In front of whoever listens at this address; its port must stand in it. */
  static async start(url: string): Promise<Proxy> {
    const listener = createServer({ noDelay: true, pauseOnConnect: true });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new Proxy(listener, new URL(url));
  }

  /** Bytes of answers that were lost since the start. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  cut(): void {
    this.#state = 'cut';
    for (const pair of this.#pairs) end(pair);
  }

  stall(): void {
    this.#state = 'stalled';
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  loseAnswers(): void {
    this.#state = 'deaf';
  }

  restore(): void {
    this.#state = 'open';
    for (const pair of this.#pairs) {
      if (pair.missedAnswers) reset(pair);
      else this.#resume(pair);
    }
  }

  reset(): void {
    for (const pair of this.#pairs) reset(pair);
  }

  halfOpen(): void {
    for (const pair of this.#pairs) {
      pair.isHalfOpen = true;
      pair.server.destroy();
      // What the client writes is read and goes nowhere.
      pair.client.resume();
    }
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) reset(pair);
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  #accept(client: Socket): void {
    if (this.#state === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.#target, noDelay: true });
    const pair: Pair = { client, server, missedAnswers: false, isHalfOpen: false };
    this.#pairs.add(pair);
    client.on('data', (bytes: Buffer) => this.#carry(pair, client, server, bytes));
    server.on('data', (bytes: Buffer) => {
      if (this.#state === 'deaf') {
        pair.missedAnswers = true;
        this.#lostBytes += bytes.length;
      } else {
        this.#carry(pair, server, client, bytes);
      }
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('drain', () => this.#resume(pair));
      from.on('end', () => {
        if (!pair.isHalfOpen) to.end();
      });
      // An end without a word is passed on as one: whoever listens there must not take it for an orderly close.
      from.on('error', () => {
        if (!pair.isHalfOpen) to.resetAndDestroy();
      });
      from.on('close', () => {
        if (from === client) this.#pairs.delete(pair);
        if (from === client || !pair.isHalfOpen) to.destroySoon();
      });
    }
    this.#resume(pair);
  }

  #carry(pair: Pair, from: Socket, to: Socket, bytes: Buffer): void {
    if (pair.isHalfOpen || to.destroyed) return;
    if (!to.write(bytes)) from.pause();
  }

  #resume({ client, server }: Pair): void {
    if (this.#state === 'stalled') return;
    if (!server.writableNeedDrain) client.resume();
    if (!client.writableNeedDrain) server.resume();
  }
}

function end({ client, server }: Pair): void {
  client.destroy();
  server.destroy();
}

function reset({ client, server }: Pair): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}
