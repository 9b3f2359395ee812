import { randomFillSync } from 'node:crypto';

const randomBytesPerId = 10;
const pool = Buffer.alloc(randomBytesPerId * 512);
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
let used = pool.length;

/** A UUIDv7 (RFC 9562, section 5.7): 48 bits of time, 74 random ones. Drawn from a pool, since it may be one per event. */
export function newEventId(nowMs: number): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const time = Math.floor(nowMs).toString(16).padStart(12, '0');
  const version = hex[0x70 | (next() & 0x0f)];
  const variant = hex[0x80 | (next() & 0x3f)];
  const a = octet();
  const b = octet() + octet();
  const rest = octet() + octet() + octet() + octet() + octet();
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}${a}-${variant}${b.slice(0, 2)}-${b.slice(2)}${rest}`;
}

function next(): number {
  return pool[used++] ?? 0;
}

function octet(): string {
  return hex[next()] ?? '';
}
