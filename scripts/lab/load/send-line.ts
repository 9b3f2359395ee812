import { z } from 'zod';
import type { Owed } from './books.ts';

const lineShape = z.object({
  durable: z.number(),
  /** At the end only: everything that was answered 202. */
  owed: z
    .array(
      z.object({
        customer: z.string(),
        meter: z.string(),
        formula: z.enum(['sum', 'count', 'last']),
        units: z.string(),
        events: z.number(),
      }),
    )
    .optional(),
});

/** What send.ts prints. */
export type SendLine = z.infer<typeof lineShape>;

export function lastLine(log: string): SendLine | undefined {
  const line = log.trim().split('\n').at(-1);
  return line === undefined || line === '' ? undefined : lineShape.parse(JSON.parse(line));
}

export function owedOf({ owed = [] }: SendLine): readonly Owed[] {
  return owed.map((one) => ({ ...one, units: BigInt(one.units) }));
}
