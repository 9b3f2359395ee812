import type { Reading, Values } from './config.ts';
import { isLoopback } from './kinds.ts';
import type { Secret } from './secret.ts';
import { settings } from './settings.ts';

export interface HttpConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Path of a Unix socket to listen on instead of host and port. */
  readonly socket: string | undefined;
  /** Rights of the socket; what the umask leaves if undefined. */
  readonly socketMode?: number | undefined;
  /** Demanded of every request to /v1/*, if there is one. */
  readonly token: Secret | undefined;
  /** A second listener that has only /healthz, /readyz and /metrics. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
}

/** What every service takes: where it listens, and what it logs. */
export const serverShape = {
  host: settings.host,
  port: settings.port,
  socket: settings.socket,
  socketMode: settings.socketMode,
  token: settings.token,
  adminHost: settings.adminHost,
  adminPort: settings.adminPort,
  logLevel: settings.logLevel,
  drainMs: settings.drainMs,
} as const;

type ServerValues = Values<typeof serverShape>;

/** Faults between the settings of a listener. With `/v1`, an address that others can reach demands a token. */
export function addServerRules(reading: Reading<typeof serverShape>, has: { readonly v1: boolean }): void {
  reading.rule(['adminHost', 'adminPort'], ({ adminHost, adminPort }) =>
    (adminHost === undefined) === (adminPort === undefined)
      ? undefined
      : 'Only one of TALLYMAN_ADMIN_HOST and TALLYMAN_ADMIN_PORT is set; set both or neither.',
  );
  reading.rule(['socket', 'socketMode'], ({ socket, socketMode }) =>
    socketMode === undefined || socket !== undefined
      ? undefined
      : 'TALLYMAN_SOCKET_MODE is set, but TALLYMAN_SOCKET is not; set both, or remove it.',
  );
  if (!has.v1) return;
  reading.rule(['host', 'socket', 'token'], ({ host, socket, token }) =>
    socket !== undefined || token !== undefined || isLoopback(host)
      ? undefined
      : `TALLYMAN_TOKEN is not set and TALLYMAN_HOST is ${JSON.stringify(host)}, where others could post usage; ` +
        'set a token, or listen on 127.0.0.1 or TALLYMAN_SOCKET.',
  );
}

export function httpConfigOf(values: ServerValues): HttpConfig {
  const { host, port, socket, socketMode, token, adminHost, adminPort } = values;
  const admin = adminHost === undefined || adminPort === undefined ? undefined : { host: adminHost, port: adminPort };
  return { host, port, socket, socketMode, token, admin };
}
