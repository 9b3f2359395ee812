import { z } from 'zod';
import { faultEndpoints, faultKinds, faultsMax, slowDefaultMs, limitReasons } from '../rules/faults.ts';
import { latencyShape, parseLatency } from '../rules/latency.ts';

/** Why a request to `/_sim/…` is not taken. What `/v1/…` answers is Stripe's. */
export const controlCodes = {
  bad_body: '400: the body is not what the page takes; the message says what is.',
  bad_query: '400: a parameter of the address is not what the page takes.',
} as const;
export type ControlCode = keyof typeof controlCodes;

/** What may be posted. */
const fault = z.strictObject({
  kind: z.enum(faultKinds),
  rate: z.number().min(0).max(1).default(1),
  customer: z.string().min(1).optional(),
  account: z.string().min(1).optional(),
  endpoint: z.enum(faultEndpoints).optional(),
  reason: z.enum(limitReasons).optional(),
  delayMs: z.number().int().min(0).max(600_000).default(slowDefaultMs),
  durationMs: z.number().int().min(1).optional(),
});
/** One or several. */
export const faultsBody = z.preprocess(
  (body): unknown => (Array.isArray(body) ? body : [body]),
  z.array(fault).max(faultsMax),
);
export type PostedFault = z.infer<typeof fault>;

const names = z.array(z.string().min(1)).max(1_000_000).optional();
export const worldBody = z.strictObject({
  unknownCustomers: names,
  archivedMeters: names,
  revokedKeys: names,
  revokedAccounts: names,
});

const rate = z.number().int().min(0).max(1_000_000).optional();
export const limitsBody = z.strictObject({
  ratePerS: rate,
  basicRatePerS: rate,
  latency: z
    .string()
    .transform((text, context) => {
      const latency = parseLatency(text);
      if (latency === undefined) context.addIssue({ code: 'custom', message: `must be ${latencyShape}` });
      return latency ?? z.NEVER;
    })
    .optional(),
});
