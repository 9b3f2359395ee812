/** Why a server could not be reached: `reason` is for programs and stays, `words` end a sentence that names the server. */
export interface Fault {
  readonly reason: string;
  /** What happened, and what to look at: full sentences, the first one without its subject ("it …"). */
  readonly words: string;
  /** It does not end by itself: a person has to correct something. */
  readonly lasts?: true;
}

const untrusted = 'it shows a certificate of a CA that is not trusted here. Name the CA in TALLYMAN_CA_FILE.';

const codes: Readonly<Record<string, Fault>> = {
  ENOTFOUND: {
    reason: 'dns',
    words: 'its host name is not known here. Correct the host, or look at DNS.',
    lasts: true,
  },
  EAI_AGAIN: { reason: 'dns', words: 'DNS does not answer for its host name. Check DNS and the network policy.' },
  ECONNREFUSED: {
    reason: 'refused',
    words: 'nothing listens at this host and port. Start it, or correct host and port.',
  },
  EHOSTUNREACH: { reason: 'unreachable', words: 'there is no way to its host. Look at routes and firewalls.' },
  ENETUNREACH: { reason: 'unreachable', words: 'there is no way to its network. Look at routes and firewalls.' },
  EACCES: { reason: 'unreachable', words: 'this process may not connect there. Look at firewalls and socket rights.' },
  ETIMEDOUT: {
    reason: 'timeout',
    words: 'it did not answer in time. Look at it, at firewalls and at the network policy.',
  },
  ECONNRESET: { reason: 'reset', words: 'it, or something on the way, cut the connection.' },
  EPIPE: { reason: 'reset', words: 'it, or something on the way, cut the connection.' },
  SELF_SIGNED_CERT_IN_CHAIN: { reason: 'tls_untrusted', words: untrusted, lasts: true },
  DEPTH_ZERO_SELF_SIGNED_CERT: { reason: 'tls_untrusted', words: untrusted, lasts: true },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { reason: 'tls_untrusted', words: untrusted, lasts: true },
  UNABLE_TO_GET_ISSUER_CERT: { reason: 'tls_untrusted', words: untrusted, lasts: true },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { reason: 'tls_untrusted', words: untrusted, lasts: true },
  CERT_HAS_EXPIRED: { reason: 'tls_expired', words: 'its certificate has expired. Renew it.', lasts: true },
  CERT_NOT_YET_VALID: {
    reason: 'tls_expired',
    words: 'its certificate is not valid yet. Look at the clocks.',
    lasts: true,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    reason: 'tls_name',
    words: 'its certificate is for another host name. Use a name that the certificate has.',
    lasts: true,
  },
};

const noTls: Fault = {
  reason: 'tls_protocol',
  words: 'it does not speak TLS at this port. Use the port for TLS, or the scheme without it.',
  lasts: true,
};

/** Undefined: not a fault of name, network or TLS. */
export function networkFault(error: unknown): Fault | undefined {
  // Node's error for several addresses of one name.
  if (error instanceof AggregateError) return networkFault(error.errors[0]);
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : (/\b(E[A-Z]{4,}[A-Z_]*)\b/.exec(error.message)?.[1] ?? '');
  return codes[code] ?? (code === 'EPROTO' || code.startsWith('ERR_SSL_') ? noTls : undefined);
}

/** What nobody foresaw, in its own words, as one sentence. */
export function unforeseen(error: unknown): Fault {
  const message = messageOf(error);
  return { reason: 'other', words: /[.!?]$/.test(message) ? message : `${message}.` };
}

/** The message of an error on one line; of several addresses of one name each. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return (error instanceof Error ? error.message : String(error)).trim().replace(/\s+/g, ' ');
}
