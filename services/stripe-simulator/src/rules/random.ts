/** Uniform in [0, 1). */
export type Random = () => number;

/**
 * A seeded generator (sfc32). Each purpose takes its own stream, so that switching a fault on does not change the
 * latencies that are drawn beside it.
 */
export function seededRandom(seed: number, stream: string): Random {
  let a = seed | 0;
  let b = (seed / 0x1_0000_0000) | 0;
  let c = mix(stream);
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  // The first outputs of close seeds resemble each other.
  for (let round = 0; round < 15; round++) next();
  return next;
}

function mix(text: string): number {
  let hash = 0x9e3779b9;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x85ebca6b);
  return hash | 0;
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** `prefix` and `length` letters and digits, as Stripe's ids look. */
export function randomId(random: Random, prefix: string, length: number): string {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) {
    bytes[index] = letters.charCodeAt(Math.floor(random() * letters.length));
  }
  return prefix + bytes.toString('latin1');
}
