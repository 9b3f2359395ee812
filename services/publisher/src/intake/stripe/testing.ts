import { Stripe } from 'stripe';
import type { TestIntake } from '../testing.ts';

/** For tests: the official package, unmodified, with its own defaults (two retries, telemetry), pointed at a sidecar. */
export function clientAt(intake: TestIntake, apiKey = 'sk_test_123', more: Stripe.StripeConfig = {}): Stripe {
  return new Stripe(apiKey, { host: '127.0.0.1', port: intake.port, protocol: 'http', ...more });
}

export function meterEvent(
  identifier?: string,
  payload: Record<string, string> = {},
): Stripe.Billing.MeterEventCreateParams {
  return {
    event_name: 'api_requests',
    payload: { stripe_customer_id: 'cus_1', value: '25', ...payload },
    ...(identifier === undefined ? {} : { identifier }),
  };
}

/** What a call is refused with. */
export async function failureOf(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError) return error;
    throw error;
  }
  throw new Error('The call was not refused.');
}
