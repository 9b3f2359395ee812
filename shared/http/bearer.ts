import { hash, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../config/secret.ts';

/** Whether an `Authorization` header carries the token. Digests are compared, so that time tells neither bytes nor length. */
export function bearerCheck(token: Secret): (authorization: string | undefined) => boolean {
  return (authorization) => {
    const given = authorization === undefined ? undefined : /^bearer +(\S+)$/i.exec(authorization)?.[1];
    return given !== undefined && timingSafeEqual(digest(given), digest(token.reveal()));
  };
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
