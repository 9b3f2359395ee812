/**
 * Lanes and slots (ARCHITECTURE.md 3.2). A lane is account + customer + meter: the unit of routing, of event identity and of
 * Stripe's one-call-at-a-time rule. Its slot is a constant of message format 1: whoever writes messages must compute
 * the same number, so `lane-vectors.json` holds examples for other languages.
 */
export const slotCount = 64;

const separator = '\0';
const fnvOffsetBasis = 0x811c9dc5;
const fnvPrime = 0x01000193;

export interface Lane {
  readonly account?: string;
  readonly customer: string;
  readonly meter: string;
}

/** `account NUL customer NUL meter`; the account is empty if absent. None of the parts can contain NUL. */
export function laneName(lane: Lane): string {
  return (lane.account ?? '') + separator + lane.customer + separator + lane.meter;
}

/** FNV-1a, 32 bit, over the UTF-8 bytes of `text`. */
export function fnv1a(text: string): number {
  return fnv1aFrom(fnvOffsetBasis, text) >>> 0;
}

/** The slot of a lane, 0 to 63: FNV-1a over its name modulo 64. Without building the name, since it is asked for every event. */
export function slotOf(lane: Lane): number {
  let hash = fnvOffsetBasis;
  if (lane.account !== undefined) hash = fnv1aFrom(hash, lane.account);
  hash = fnv1aFrom(Math.imul(hash, fnvPrime), lane.customer);
  hash = fnv1aFrom(Math.imul(hash, fnvPrime), lane.meter);
  return (hash >>> 0) % slotCount;
}

function fnv1aFrom(start: number, text: string): number {
  let hash = start;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return fnv1aBytesFrom(start, Buffer.from(text, 'utf8'));
    hash = Math.imul(hash ^ unit, fnvPrime);
  }
  return hash;
}

function fnv1aBytesFrom(start: number, bytes: Uint8Array): number {
  let hash = start;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, fnvPrime);
  return hash;
}
