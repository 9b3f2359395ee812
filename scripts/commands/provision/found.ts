import Stripe from 'stripe';
import type { Wanted, WantedCustomer, WantedMeter } from '../../../shared/provision/file.ts';

/** What is at Stripe already, of that which the file is about. */
export interface Found {
  readonly meters: readonly Stripe.Billing.Meter[];
  /** By id. */
  readonly products: ReadonlyMap<string, Stripe.Product>;
  /** By lookup key. */
  readonly prices: ReadonlyMap<string, Stripe.Price>;
  readonly customers: ReadonlyMap<WantedCustomer, readonly FoundCustomer[]>;
}

export interface FoundCustomer {
  readonly customer: Stripe.Customer;
  readonly subscriptions: readonly Stripe.Subscription[];
}

const lookupKeysMax = 10;
const pageSize = 100;

export async function look(stripe: Stripe, wanted: Wanted): Promise<Found> {
  const prices = wanted.meters.flatMap(({ price }) => price ?? []);
  const customers = new Map<WantedCustomer, readonly FoundCustomer[]>();
  for (const customer of wanted.customers) customers.set(customer, await lookForCustomer(stripe, customer));
  return {
    meters: await lookForMeters(stripe, wanted.meters),
    products: await lookForProducts(
      stripe,
      prices.map(({ productId }) => productId),
    ),
    prices: await lookForPrices(
      stripe,
      prices.map(({ lookupKey }) => lookupKey),
    ),
    customers,
  };
}

async function lookForMeters(stripe: Stripe, wanted: readonly WantedMeter[]): Promise<Stripe.Billing.Meter[]> {
  const names = new Set(wanted.map(({ eventName }) => eventName));
  const found: Stripe.Billing.Meter[] = [];
  for await (const meter of stripe.billing.meters.list({ limit: pageSize })) {
    if (names.has(meter.event_name)) found.push(meter);
  }
  return found;
}

async function lookForProducts(stripe: Stripe, ids: readonly string[]): Promise<Map<string, Stripe.Product>> {
  const found = new Map<string, Stripe.Product>();
  for (const id of ids) {
    const product = await unlessMissing(stripe.products.retrieve(id));
    if (product !== undefined) found.set(id, product);
  }
  return found;
}

async function lookForPrices(stripe: Stripe, keys: readonly string[]): Promise<Map<string, Stripe.Price>> {
  const found = new Map<string, Stripe.Price>();
  for (let from = 0; from < keys.length; from += lookupKeysMax) {
    const some = keys.slice(from, from + lookupKeysMax);
    for await (const price of stripe.prices.list({ lookup_keys: some, limit: pageSize })) {
      if (price.lookup_key !== null) found.set(price.lookup_key, price);
    }
  }
  return found;
}

async function lookForCustomer(stripe: Stripe, { id, email }: WantedCustomer): Promise<FoundCustomer[]> {
  const customers: Stripe.Customer[] = [];
  if (id !== undefined) {
    const customer = await unlessMissing(stripe.customers.retrieve(id));
    if (customer !== undefined && customer.deleted !== true) customers.push(customer);
  } else if (email !== undefined) {
    for await (const customer of stripe.customers.list({ email, limit: pageSize })) customers.push(customer);
  }
  const found: FoundCustomer[] = [];
  for (const customer of customers) {
    const subscriptions: Stripe.Subscription[] = [];
    for await (const subscription of stripe.subscriptions.list({ customer: customer.id, limit: pageSize }))
      subscriptions.push(subscription);
    found.push({ customer, subscriptions });
  }
  return found;
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeInvalidRequestError && error.code === 'resource_missing') return undefined;
    throw error;
  }
}
