import { RequestFault } from './request-fault.ts';

/** Below this a body cannot hold enough to matter, and the usual request is not looked through. */
const uncheckedCharsMax = 64 * 1024;
/** An event of seven fields and 32 dimensions has 40. */
const partsPerEventMax = 48;

/**
 * Refuses a body of far more objects, arrays and commas than its events can have: 8 MiB of brackets would become half a
 * gigabyte of objects before anything else could refuse them. Braces inside strings are counted too, so the bound is generous.
 */
export function checkComplexity(text: string, eventsMax: number): void {
  if (text.length <= uncheckedCharsMax) return;
  const partsMax = partsPerEventMax * eventsMax;
  let parts = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // `[` and `{` differ in one bit.
    if ((unit | 0x20) !== 0x7b && unit !== 0x2c) continue;
    if (++parts > partsMax) {
      throw new RequestFault(
        'too_complex',
        `The body has more than ${partsMax} brackets, braces and commas, which ${eventsMax} events cannot need.`,
      );
    }
  }
}
