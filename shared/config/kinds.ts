import { X509Certificate } from 'node:crypto';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** How a setting's text is read: `parse` answers undefined for what it may not be, `allowed` says what it may be. */
export interface Kind<T> {
  readonly allowed: string;
  parse(text: string): T | undefined;
}

export function integer(minimum: number, maximum: number, unit: string): Kind<number> {
  return {
    allowed: `a whole number of ${unit}, from ${minimum} to ${maximum}`,
    parse(text) {
      if (!/^\d{1,16}$/.test(text)) return undefined;
      const value = Number(text);
      return value >= minimum && value <= maximum ? value : undefined;
    },
  };
}

/** Rights of a file as `chmod` takes them; its owner always reads and writes it. */
export const fileMode: Kind<number> = {
  allowed: 'three octal digits of which the first is 6 or 7, such as 660',
  parse: (text) => (/^0?[67][0-7]{2}$/.test(text) ? Number.parseInt(text, 8) : undefined),
};

/** As `integer`, or 0 for none. */
export function integerOrNone(minimum: number, maximum: number, unit: string): Kind<number> {
  const some = integer(minimum, maximum, unit);
  return { allowed: `${some.allowed}, or 0 for none`, parse: (text) => (text === '0' ? 0 : some.parse(text)) };
}

export const share: Kind<number> = {
  allowed: 'a number above 0 and up to 1, such as 0.5',
  parse(text) {
    if (!/^\d(\.\d{1,6})?$/.test(text)) return undefined;
    const value = Number(text);
    return value > 0 && value <= 1 ? value : undefined;
  },
};

export function oneOf<T extends string>(...values: readonly T[]): Kind<T> {
  return { allowed: `one of ${values.join(', ')}`, parse: (text) => values.find((value) => value === text) };
}

/** Text without control characters. */
export function text(maximumLength: number): Kind<string> {
  return {
    allowed: `text of 1 to ${maximumLength} characters without control characters`,
    parse: (value) => (value.length <= maximumLength && /^[^\p{Cc}]+$/u.test(value) ? value : undefined),
  };
}

export function list(item: Kind<string>): Kind<readonly string[]> {
  return {
    allowed: `a comma-separated list; each item ${item.allowed}`,
    parse(value) {
      const items = value.split(',').map((part) => item.parse(part.trim()));
      return items.some((part) => part === undefined) ? undefined : items.filter((part) => part !== undefined);
    },
  };
}

/** Where a CloudEvent has something in its data, or that it need not look there. */
export const dataPlace: Kind<string> = {
  allowed: 'data. and the name of a field, such as data.tokens or data.usage.tokens, or 1',
  parse: (value) => (value === '1' || /^data(\.[a-zA-Z0-9_-]{1,100}){1,8}$/.test(value) ? value : undefined),
};

/** What stands in a file of its own, and is understood by whoever reads it. */
export const document: Kind<string> = {
  allowed: 'text that is not empty',
  parse: (value) => (value.trim() === '' ? undefined : value),
};

/** A prefix that is safe in names of exchanges and queues and outside the braces of a Redis key. */
export const namespace: Kind<string> = {
  allowed: '1 to 64 letters, digits, dots, dashes and underscores, beginning with a letter',
  parse: (value) => (/^[a-zA-Z][a-zA-Z0-9._-]{0,63}$/.test(value) ? value : undefined),
};

export const host: Kind<string> = {
  allowed: 'an IP address or a host name, without a port',
  parse: (value) =>
    isIP(value) !== 0 || /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?$/.test(value) ? value : undefined,
};

/** 0 takes any free port: the one taken is in the log and in `RunningHttp`. */
export const port: Kind<number> = { ...integer(0, 65_535, 'ports'), allowed: 'a port number from 0 to 65535' };

export const socketPath: Kind<string> = {
  allowed: 'a path of at most 107 bytes (the limit of the operating system for Unix sockets)',
  parse: (value) => (Buffer.byteLength(value) <= 107 && !value.includes('\0') ? value : undefined),
};

/** A URL with its credentials inside, so its faults are told without the value. */
export function serverUrl(...protocols: readonly string[]): Kind<string> {
  const schemes = protocols.map((protocol) => `${protocol}//`).join(' or ');
  return {
    allowed: `a URL that begins with ${schemes}, names a host and has its credentials percent-encoded`,
    parse(value) {
      const url = URL.parse(value);
      if (url === null || !protocols.includes(url.protocol) || url.hostname === '') return undefined;
      return isDecodable(url.username + url.password) ? value : undefined;
    },
  };
}

/** A client decodes credentials when it connects; then it would be too late to say that they cannot be. */
function isDecodable(credentials: string): boolean {
  try {
    decodeURIComponent(credentials);
    return true;
  } catch {
    return false;
  }
}

/** As `serverUrl`, without a query: a Redis client would take `?option=…` as its own options, over those that keep usage exact. */
export const redisUrl: Kind<string> = {
  allowed: 'a URL that begins with redis:// or rediss://, names a host, may end in a database number and has no query',
  parse(value) {
    const url = serverUrl('redis:', 'rediss:').parse(value) === undefined ? null : URL.parse(value);
    return url !== null && url.search === '' && url.hash === '' && /^(\/\d{0,4})?$/.test(url.pathname)
      ? value
      : undefined;
  },
};

/** Certificates in PEM, whatever else stands between them (OpenSSL writes names there). */
export const certificates: Kind<string> = {
  allowed: 'one or more certificates in PEM (-----BEGIN CERTIFICATE-----)',
  parse(value) {
    const found = value.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    return found.length > 0 && found.every(isCertificate) ? found.join('\n') : undefined;
  },
};

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** Goes into an HTTP header, so nothing that could end it. */
export const headerSafe: Kind<string> = {
  allowed: '1 to 512 printable ASCII characters without spaces',
  parse: (value) => (/^[\x21-\x7e]{1,512}$/.test(value) ? value : undefined),
};

const privateAddresses = new BlockList();
privateAddresses.addSubnet('10.0.0.0', 8);
privateAddresses.addSubnet('172.16.0.0', 12);
privateAddresses.addSubnet('192.168.0.0', 16);
privateAddresses.addSubnet('127.0.0.0', 8);
privateAddresses.addAddress('::1', 'ipv6');
privateAddresses.addSubnet('fc00::', 7, 'ipv6');

/**
 * The origin of an API. Plain http would show the key to everyone on the way, so it is taken only where the way is
 * private: loopback, private addresses, and the names that containers and Kubernetes give (one label, .svc, .internal).
 */
export const apiBase: Kind<string> = {
  allowed:
    'an origin such as https://api.example.com, without path and query; plain http only on loopback, private addresses ' +
    'and private names (one label, *.svc, *.svc.cluster.local, *.internal)',
  parse(value) {
    const url = URL.parse(value);
    if (url === null || url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
      return undefined;
    if (url.protocol === 'https:') return url.origin;
    return url.protocol === 'http:' && isPrivateHost(url.hostname) ? url.origin : undefined;
  },
};

/** Only a private network leads there. */
export function isPrivateHost(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0) return privateAddresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  return !address.includes('.') || /\.(svc|svc\.cluster\.local|internal|localhost)$/.test(address);
}

/** Whether only this machine can reach a listener on `address`. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}
