import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Files in PEM, as servers want them. */
export interface CertificateFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority of a test's own, which nobody trusts who is not told to. */
export interface Authority {
  /** Its own certificate: for `TALLYMAN_CA_FILE`. */
  readonly ca: string;
  /** A certificate for servers on loopback. */
  issue(name: string): Promise<CertificateFiles>;
}

const run = promisify(execFile);
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Needs `openssl` on PATH. */
export async function makeAuthority(folder: string): Promise<Authority> {
  await mkdir(folder, { recursive: true });
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]) => run('openssl', [...args]);
  const ca = file('ca.crt');
  await openssl('req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=test CA', '-keyout', file('ca.key'), '-out', ca);
  return {
    ca,
    async issue(name) {
      const [key, request, certificate] = [file(`${name}.key`), file(`${name}.csr`), file(`${name}.crt`)];
      const names = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
      await openssl('req', ...newKey, '-subj', `/CN=${name}`, ...names, '-keyout', key, '-out', request);
      const signing = [
        '-CA',
        ca,
        '-CAkey',
        file('ca.key'),
        '-CAcreateserial',
        '-days',
        '2',
        '-copy_extensions',
        'copy',
      ];
      await openssl('x509', '-req', '-in', request, ...signing, '-out', certificate);
      return { ca, certificate, key };
    },
  };
}
