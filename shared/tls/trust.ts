import { getCACertificates } from 'node:tls';
import type { Secret } from '../config/secret.ts';

/**
 * Whose certificates a TLS connection to the broker or to Redis trusts, as an option of `tls.connect`: those that Node trusts
 * anyway and those of `TALLYMAN_CA_FILE`. Asked before every attempt, so that a CA file that was replaced counts from the next
 * connection on, and the connections that there are go on.
 */
export function trust(ca: Secret | undefined): { readonly ca?: string[] } {
  return ca === undefined ? {} : { ca: [...getCACertificates('default'), ca.reveal()] };
}
