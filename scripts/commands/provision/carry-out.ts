import Stripe from 'stripe';
import type { Wanted, WantedCustomer } from '../../../shared/provision/file.ts';
import type { Found } from './found.ts';
import type { Step } from './plan.ts';

/** Ids of what is there, and of what is being made. */
export interface Ids {
  /** By event name. */
  readonly meters: Map<string, string>;
  /** Id of the price, by event name. */
  readonly prices: Map<string, string>;
  readonly customers: Map<WantedCustomer, string>;
}

export function idsOf(wanted: Wanted, found: Found): Ids {
  const meters = new Map<string, string>();
  for (const { event_name: name, id, status } of found.meters) {
    if (status === 'active' || !meters.has(name)) meters.set(name, id);
  }
  const prices = new Map<string, string>();
  for (const { eventName, price } of wanted.meters) {
    const known = price === undefined ? undefined : found.prices.get(price.lookupKey);
    if (known !== undefined) prices.set(eventName, known.id);
  }
  const customers = new Map<WantedCustomer, string>();
  for (const [customer, [one]] of found.customers) if (one !== undefined) customers.set(customer, one.customer.id);
  return { meters, prices, customers };
}

/**
 * One step. The package repeats a call that was not answered under the same Idempotency-Key; after an interruption the next run
 * finds what was made by its name, key or email.
 */
export async function carryOut(stripe: Stripe, step: Step, ids: Ids): Promise<string> {
  switch (step.do) {
    case 'create_meter': {
      const { eventName, displayName, formula, customerKey, valueKey } = step.meter;
      const { id } = await stripe.billing.meters.create({
        event_name: eventName,
        display_name: displayName,
        default_aggregation: { formula },
        customer_mapping: { type: 'by_id', event_payload_key: customerKey },
        value_settings: { event_payload_key: valueKey },
      });
      ids.meters.set(eventName, id);
      return id;
    }
    case 'reactivate_meter': {
      const { id } = await stripe.billing.meters.reactivate(step.id);
      await stripe.billing.meters.update(id, { display_name: step.meter.displayName });
      return id;
    }
    case 'rename_meter':
      return (await stripe.billing.meters.update(step.id, { display_name: step.meter.displayName })).id;
    case 'create_product':
      return (await stripe.products.create({ id: step.price.productId, name: step.price.productName })).id;
    case 'update_product':
      return (await stripe.products.update(step.price.productId, { name: step.price.productName, active: true })).id;
    case 'create_price':
      return createPrice(stripe, step, ids);
    case 'create_customer': {
      const { email, name } = step.customer;
      const { id } = await stripe.customers.create({
        ...(email === undefined ? {} : { email }),
        ...(name === undefined ? {} : { name }),
      });
      ids.customers.set(step.customer, id);
      return id;
    }
    case 'subscribe': {
      const { daysUntilDue } = step.customer;
      const { id } = await stripe.subscriptions.create({
        customer: known(ids.customers, step.customer, 'customer'),
        items: step.meters.map((eventName) => ({ price: known(ids.prices, eventName, 'price') })),
        ...(daysUntilDue === undefined
          ? { collection_method: 'charge_automatically' }
          : { collection_method: 'send_invoice', days_until_due: daysUntilDue }),
      });
      return id;
    }
    case 'add_to_subscription':
      for (const eventName of step.meters) {
        await stripe.subscriptionItems.create({
          subscription: step.id,
          price: known(ids.prices, eventName, 'price'),
        });
      }
      return step.id;
  }
}

async function createPrice(stripe: Stripe, step: Step & { do: 'create_price' }, ids: Ids): Promise<string> {
  const { meter, price, replaces } = step;
  const { id } = await stripe.prices.create({
    currency: price.currency,
    product: price.productId,
    unit_amount_decimal: Stripe.Decimal.from(price.unitAmount),
    recurring: {
      interval: price.interval,
      usage_type: 'metered',
      meter: known(ids.meters, meter.eventName, 'meter'),
    },
    lookup_key: price.lookupKey,
    ...(replaces === undefined ? {} : { transfer_lookup_key: true }),
  });
  ids.prices.set(meter.eventName, id);
  if (replaces !== undefined) await stripe.prices.update(replaces, { active: false });
  return id;
}

function known<K>(ids: ReadonlyMap<K, string>, key: K, what: string): string {
  const id = ids.get(key);
  if (id === undefined) throw new Error(`The plan needs a ${what} that it does not make.`);
  return id;
}
