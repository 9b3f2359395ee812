/** Where a server was to listen, and the settings that say so. */
export interface ListenPlace {
  readonly host: string;
  readonly port: number;
  readonly hostSetting: string;
  readonly portSetting: string;
}

/** Nothing can listen there. Each fault is a sentence: which address, why not, what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';

  /** For the person who started it. */
  report(who: string): string {
    return `${who} did not start, because it cannot listen:\n  - ${this.message}\n`;
  }
}

/** The error itself where nobody foresaw it. */
export function addressFault(error: unknown, { host, port, hostSetting, portSetting }: ListenPlace): unknown {
  const words = {
    EADDRINUSE: `Port ${port} of ${host} is taken by another process. Stop that one, or set ${portSetting} to another port.`,
    EACCES: `This process may not listen on port ${port} of ${host}. Set ${portSetting} to a port above 1023, or give the process the right.`,
    EADDRNOTAVAIL: `This machine has no address ${host}. Set ${hostSetting} to one that it has, or to 0.0.0.0 for all of them.`,
    ENOTFOUND: `The host name ${host} is not known here. Correct ${hostSetting}.`,
    EAI_AGAIN: `DNS does not answer for the host name ${host}. Check DNS, or set ${hostSetting} to an IP address.`,
  }[codeOf(error)];
  return words === undefined ? error : new ListenError(words, { cause: error });
}

/** The error itself where nobody foresaw it. */
export function socketFault(error: unknown, path: string): unknown {
  const elsewhere = 'or set TALLYMAN_SOCKET to another path.';
  const rights = `This process may not make the socket ${path}. Give it the right to write to that folder, ${elsewhere}`;
  const missing = `The socket ${path} has no folder to be in. Make the folder, ${elsewhere}`;
  const words = {
    EACCES: rights,
    EPERM: rights,
    EROFS: rights,
    ENOENT: missing,
    ENOTDIR: missing,
    EINVAL: `The path of the socket ${path} cannot be used: it may have at most 107 bytes. Set TALLYMAN_SOCKET to a shorter one.`,
  }[codeOf(error)];
  return words === undefined ? error : new ListenError(words, { cause: error });
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
