import type Stripe from 'stripe';
import type { Wanted, WantedCustomer, WantedMeter, WantedPrice } from '../../../shared/provision/file.ts';
import type { Found, FoundCustomer } from './found.ts';

/** What has to be done at Stripe, in this order, so that it is as the file says. */
export type Step =
  | { readonly do: 'create_meter'; readonly meter: WantedMeter }
  | { readonly do: 'reactivate_meter' | 'rename_meter'; readonly meter: WantedMeter; readonly id: string }
  | { readonly do: 'create_product' | 'update_product'; readonly price: WantedPrice }
  /** `replaces`: a price that charges something else. What it charges cannot change, so it makes room. */
  | {
      readonly do: 'create_price';
      readonly meter: WantedMeter;
      readonly price: WantedPrice;
      readonly replaces?: string;
    }
  | { readonly do: 'create_customer'; readonly customer: WantedCustomer }
  | { readonly do: 'subscribe'; readonly customer: WantedCustomer; readonly meters: readonly string[] }
  | {
      readonly do: 'add_to_subscription';
      readonly customer: WantedCustomer;
      readonly meters: readonly string[];
      readonly id: string;
    };

export interface Plan {
  readonly steps: readonly Step[];
  /** As it should be. */
  readonly kept: readonly string[];
  /** What a person should know, and nothing is done about. */
  readonly notes: readonly string[];
  /** What cannot be made as the file says; nothing is done while there is one. */
  readonly faults: readonly string[];
}

interface Growing {
  readonly steps: Step[];
  readonly kept: string[];
  readonly notes: string[];
  readonly faults: string[];
}

export function planOf(wanted: Wanted, found: Found): Plan {
  const plan: Growing = { steps: [], kept: [], notes: [], faults: [] };
  for (const meter of wanted.meters) {
    const id = planMeter(meter, found, plan);
    if (meter.price !== undefined) planPrice(meter, meter.price, id, found, plan);
  }
  for (const customer of wanted.customers) planCustomer(customer, wanted, found, plan);
  return plan;
}

/** Answers the meter's id if there is one to go on with. */
function planMeter(meter: WantedMeter, { meters }: Found, plan: Growing): string | undefined {
  const { eventName, displayName } = meter;
  const named = meters.filter((candidate) => candidate.event_name === eventName);
  const found = named.find(({ status }) => status === 'active') ?? named[0];
  if (found === undefined) {
    plan.steps.push({ do: 'create_meter', meter });
    return undefined;
  }
  const differences = differencesOf(meter, found);
  if (differences.length > 0) {
    const is = found.status === 'active' ? 'is there' : 'is archived';
    plan.faults.push(
      `The meter ${eventName} ${is} (${found.id}) with ${differences.join(', ')}. A meter cannot be changed: correct the file, or give the meter another event name.`,
    );
    return found.id;
  }
  const { id } = found;
  if (found.status !== 'active') plan.steps.push({ do: 'reactivate_meter', meter, id });
  else if (found.display_name !== displayName) plan.steps.push({ do: 'rename_meter', meter, id });
  else plan.kept.push(`meter ${eventName} (${id})`);
  return id;
}

function differencesOf(wanted: WantedMeter, found: Stripe.Billing.Meter): string[] {
  const facts: [what: string, wanted: string, found: string][] = [
    ['formula', wanted.formula, found.default_aggregation.formula],
    ['customer_key', wanted.customerKey, found.customer_mapping.event_payload_key],
    ['value_key', wanted.valueKey, found.value_settings.event_payload_key],
    ['event_time_window', 'none', found.event_time_window ?? 'none'],
  ];
  return facts.flatMap(([what, is, other]) => (is === other ? [] : [`${what} ${other} instead of ${is}`]));
}

function planPrice(
  meter: WantedMeter,
  price: WantedPrice,
  meterId: string | undefined,
  { products, prices }: Found,
  plan: Growing,
): void {
  const product = products.get(price.productId);
  if (product === undefined) plan.steps.push({ do: 'create_product', price });
  else if (product.name !== price.productName || !product.active) plan.steps.push({ do: 'update_product', price });
  else plan.kept.push(`product ${price.productName} (${product.id})`);
  const found = prices.get(price.lookupKey);
  if (found === undefined) plan.steps.push({ do: 'create_price', meter, price });
  else if (isSamePrice(found, price, meterId)) plan.kept.push(`price ${priceText(price)} (${found.id})`);
  else {
    plan.steps.push({ do: 'create_price', meter, price, replaces: found.id });
    plan.notes.push(
      `Subscriptions that have the price ${found.id} of ${meter.eventName} keep it; change them where they should not.`,
    );
  }
}

function isSamePrice(found: Stripe.Price, wanted: WantedPrice, meterId: string | undefined): boolean {
  return (
    found.active &&
    found.currency === wanted.currency &&
    found.product === wanted.productId &&
    found.recurring?.interval === wanted.interval &&
    found.recurring.interval_count === 1 &&
    found.recurring.meter === meterId &&
    isSameAmount(String(found.unit_amount_decimal), wanted.unitAmount)
  );
}

/** 1.50 is 1.5. */
function isSameAmount(left: string, right: string): boolean {
  const plain = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  return plain(left) === plain(right);
}

function planCustomer(customer: WantedCustomer, wanted: Wanted, found: Found, plan: Growing): void {
  const known = found.customers.get(customer) ?? [];
  const name = customer.id ?? customer.email ?? '';
  const [one] = known;
  if (known.length > 1) {
    const ids = known.map((candidate) => candidate.customer.id).join(', ');
    plan.faults.push(`Several customers have the email ${name}: ${ids}. Say in the file which one, with its id.`);
  } else if (one !== undefined) {
    plan.kept.push(`customer ${name} (${one.customer.id})`);
    planSubscription(customer, one, wanted, found, plan);
  } else if (customer.id !== undefined) {
    plan.faults.push(`There is no customer ${customer.id}. Leave its id out to have one made for its email.`);
  } else {
    plan.steps.push({ do: 'create_customer', customer });
    if (customer.meters.length > 0) plan.steps.push({ do: 'subscribe', customer, meters: customer.meters });
  }
}

/** A meter that is billed by any of the customer's subscriptions is not billed by another one as well. */
function planSubscription(
  customer: WantedCustomer,
  { customer: { id }, subscriptions }: FoundCustomer,
  wanted: Wanted,
  found: Found,
  plan: Growing,
): void {
  const missing: string[] = [];
  for (const eventName of customer.meters) {
    const meterIds = found.meters.filter((meter) => meter.event_name === eventName).map((meter) => meter.id);
    const items = subscriptions.flatMap(({ items: { data } }) => data);
    const item = items.find(({ price }) => meterIds.includes(price.recurring?.meter ?? ''));
    if (item === undefined) {
      missing.push(eventName);
      continue;
    }
    const lookupKey = wanted.meters.find((meter) => meter.eventName === eventName)?.price?.lookupKey ?? '';
    plan.kept.push(`subscription of ${id} to ${eventName} (${item.subscription})`);
    if (item.price.id !== found.prices.get(lookupKey)?.id)
      plan.notes.push(`${id} pays for ${eventName} with the price ${item.price.id}, which is not the one of the file.`);
  }
  if (missing.length === 0) return;
  const currency = wanted.meters.find((meter) => meter.eventName === missing[0])?.price?.currency;
  const fitting = subscriptions.find(
    (subscription) =>
      subscription.currency === currency &&
      subscription.items.data.some(({ price }) => price.lookup_key?.startsWith('tallyman_') === true),
  );
  if (fitting === undefined) plan.steps.push({ do: 'subscribe', customer, meters: missing });
  else plan.steps.push({ do: 'add_to_subscription', customer, meters: missing, id: fitting.id });
}

export function priceText({ unitAmount, currency, interval }: WantedPrice): string {
  return `${unitAmount} of the smallest unit of ${currency} per unit, billed every ${interval}`;
}

/** One line of the difference. */
export function stepText(step: Step): string {
  switch (step.do) {
    case 'create_meter':
      return `+ meter ${step.meter.eventName} (${step.meter.formula})`;
    case 'reactivate_meter':
      return `~ meter ${step.meter.eventName} (${step.id}): archived, becomes active`;
    case 'rename_meter':
      return `~ meter ${step.meter.eventName} (${step.id}): display name becomes ${step.meter.displayName}`;
    case 'create_product':
      return `+ product ${step.price.productName} (${step.price.productId})`;
    case 'update_product':
      return `~ product ${step.price.productId}: active, with the name ${step.price.productName}`;
    case 'create_price': {
      const instead = step.replaces === undefined ? '' : `, instead of ${step.replaces}, which is archived`;
      return `+ price of ${step.meter.eventName}: ${priceText(step.price)}${instead}`;
    }
    case 'create_customer':
      return `+ customer ${step.customer.email ?? ''}`;
    case 'subscribe':
      return `+ subscription of ${nameOf(step.customer)} to ${step.meters.join(', ')} (${paymentOf(step.customer)})`;
    case 'add_to_subscription':
      return `~ subscription ${step.id} of ${nameOf(step.customer)}: ${step.meters.join(', ')} as well`;
  }
}

function nameOf({ id, email }: WantedCustomer): string {
  return id ?? email ?? '';
}

function paymentOf({ daysUntilDue }: WantedCustomer): string {
  return daysUntilDue === undefined ? 'its card is charged' : `invoices are due in ${daysUntilDue} days`;
}
