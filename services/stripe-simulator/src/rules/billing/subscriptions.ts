import { type Answer, invalid, missingParameter, noSuch, success } from '../answers.ts';
import { type Form, type FormValue, textAt } from '../form.ts';
import type { Customers } from './customers.ts';
import type { Price, Setting, Subscription, SubscriptionItem } from './objects.ts';
import { isAnswer, listAt, metadataAt, pageOf, pageParameters, refuseUnknown, requiredText } from './params.ts';
import type { Prices } from './prices.ts';

const createParameters = [
  'customer',
  'items',
  'collection_method',
  'days_until_due',
  'metadata',
  'currency',
  'description',
];
const periodSeconds = 30 * 86_400;

/** `/v1/subscriptions` and `/v1/subscription_items`: who pays what. Nothing is invoiced here. */
export class Subscriptions {
  readonly #subscriptions: Subscription[] = [];
  readonly #customers: Customers;
  readonly #prices: Prices;

  constructor(customers: Customers, prices: Prices) {
    this.#customers = customers;
    this.#prices = prices;
  }

  get size(): number {
    return this.#subscriptions.length;
  }

  create(params: Form, setting: Setting): Answer {
    const unknown = refuseUnknown(params, createParameters);
    if (unknown !== undefined) return unknown;
    const customer = requiredText(params, 'customer');
    const metadata = metadataAt(params);
    const collectionMethod = textAt(params, 'collection_method') ?? 'charge_automatically';
    const daysUntilDue = textAt(params, 'days_until_due');
    if (typeof customer !== 'string') return customer;
    if (this.#customers.find(customer) === undefined) return noSuch('customer', customer, 'customer', 400);
    if (isAnswer(metadata)) return metadata;
    if (collectionMethod !== 'charge_automatically' && collectionMethod !== 'send_invoice')
      return invalid('Invalid collection_method: must be one of charge_automatically or send_invoice');
    if ((collectionMethod === 'send_invoice') !== (daysUntilDue !== undefined))
      return invalid('days_until_due goes with send_invoice, and only with it.', { param: 'days_until_due' });
    const { nowS, livemode, newId } = setting;
    const id = newId('sub_');
    const items: SubscriptionItem[] = [];
    for (const wanted of listAt(params, 'items')) {
      const item = this.#newItem(wanted, id, items, setting);
      if (isAnswer(item)) return item;
      items.push(item);
    }
    const [first] = items;
    if (first === undefined) return missingParameter('items');
    const subscription: Subscription = {
      id,
      object: 'subscription',
      billing_cycle_anchor: nowS,
      canceled_at: null,
      collection_method: collectionMethod,
      created: nowS,
      currency: first.price.currency,
      customer,
      days_until_due: daysUntilDue === undefined ? null : Number(daysUntilDue),
      items: { object: 'list', data: items, has_more: false, url: `/v1/subscription_items?subscription=${id}` },
      livemode,
      metadata,
      start_date: nowS,
      status: 'active',
    };
    this.#subscriptions.unshift(subscription);
    return success(subscription);
  }

  createItem(params: Form, setting: Setting): Answer {
    const unknown = refuseUnknown(params, ['subscription', 'price', 'quantity']);
    if (unknown !== undefined) return unknown;
    const id = requiredText(params, 'subscription');
    if (typeof id !== 'string') return id;
    const subscription = this.#find(id);
    if (subscription === undefined) return noSuch('subscription', id, 'subscription', 400);
    const item = this.#newItem(params, id, subscription.items.data, setting);
    if (isAnswer(item)) return item;
    subscription.items.data.push(item);
    return success(item);
  }

  retrieve(id: string): Answer {
    const subscription = this.#find(id);
    return subscription === undefined ? noSuch('subscription', id, 'id') : success(subscription);
  }

  cancel(id: string, { nowS }: Setting): Answer {
    const subscription = this.#find(id);
    if (subscription?.status !== 'active') return noSuch('subscription', id, 'id');
    subscription.status = 'canceled';
    subscription.canceled_at = nowS;
    return success(subscription);
  }

  /** Without `status`, those that were not cancelled. */
  list(params: Form): Answer {
    const unknown = refuseUnknown(params, ['customer', 'status', 'price', ...pageParameters]);
    if (unknown !== undefined) return unknown;
    const { customer, status, price } = params;
    const keeps = (subscription: Subscription): boolean =>
      (customer === undefined || subscription.customer === customer) &&
      (status === 'all' || subscription.status === (status ?? 'active')) &&
      (price === undefined || subscription.items.data.some((item) => item.price.id === price));
    return pageOf(this.#subscriptions, params, { kind: 'subscription', url: '/v1/subscriptions', keeps });
  }

  #find(id: string): Subscription | undefined {
    return this.#subscriptions.find((subscription) => subscription.id === id);
  }

  #newItem(
    wanted: FormValue,
    subscription: string,
    others: readonly SubscriptionItem[],
    { nowS, newId }: Setting,
  ): SubscriptionItem | Answer {
    if (typeof wanted !== 'object') return invalid('Invalid array: items', { param: 'items' });
    const price = this.#priceOf(wanted);
    if (isAnswer(price)) return price;
    const isMetered = price.recurring?.usage_type === 'metered';
    const quantity = textAt(wanted, 'quantity');
    if (isMetered && quantity !== undefined) {
      return invalid('A metered price has no quantity: its meter has.', { param: 'items[0][quantity]' });
    }
    if (others.some((item) => item.price.id === price.id)) {
      return invalid(`The subscription has the price ${price.id} already.`, { param: 'items[0][price]' });
    }
    return {
      id: newId('si_'),
      object: 'subscription_item',
      created: nowS,
      current_period_start: nowS,
      current_period_end: nowS + periodSeconds,
      metadata: {},
      price,
      ...(isMetered ? {} : { quantity: Number(quantity ?? '1') }),
      subscription,
    };
  }

  #priceOf(wanted: Form): Price | Answer {
    const id = textAt(wanted, 'price');
    if (id === undefined) return missingParameter('items[0][price]');
    const price = this.#prices.find(id);
    if (price === undefined) return noSuch('price', id, 'items[0][price]', 400);
    if (!price.active) return invalid(`The price ${id} is inactive.`, { param: 'items[0][price]' });
    if (price.recurring === null) return invalid(`The price ${id} is not recurring.`, { param: 'items[0][price]' });
    return price;
  }
}
