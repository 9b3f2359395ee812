import { type Answer, invalid } from '../answers.ts';
import type { ObjectEndpoint } from '../endpoints.ts';
import type { Form } from '../form.ts';
import type { Meters } from '../meters.ts';
import { Customers } from './customers.ts';
import type { Setting } from './objects.ts';
import { Prices } from './prices.ts';
import { Products } from './products.ts';
import { Subscriptions } from './subscriptions.ts';

const objectsMax = 10_000;

/** The objects around the meters of one account: what is sold, for how much, and to whom. */
export class Billing {
  readonly #products = new Products();
  readonly #customers = new Customers();
  readonly #prices: Prices;
  readonly #subscriptions: Subscriptions;

  constructor(meters: Meters) {
    this.#prices = new Prices(this.#products, meters);
    this.#subscriptions = new Subscriptions(this.#customers, this.#prices);
  }

  run({ kind, action, id }: ObjectEndpoint, params: Form, setting: Setting): Answer {
    if (action === 'create' && this.#size >= objectsMax)
      return invalid(`This simulator keeps at most ${objectsMax} objects of an account.`);
    const named = id ?? '';
    switch (`${kind}/${action}` as const) {
      case 'products/create':
        return this.#products.create(params, setting);
      case 'products/retrieve':
        return this.#products.retrieve(named);
      case 'products/update':
        return this.#products.update(named, params, setting);
      case 'products/list':
        return this.#products.list(params);
      case 'prices/create':
        return this.#prices.create(params, setting);
      case 'prices/retrieve':
        return this.#prices.retrieve(named);
      case 'prices/update':
        return this.#prices.update(named, params);
      case 'prices/list':
        return this.#prices.list(params);
      case 'customers/create':
        return this.#customers.create(params, setting);
      case 'customers/retrieve':
        return this.#customers.retrieve(named);
      case 'customers/update':
        return this.#customers.update(named, params);
      case 'customers/list':
        return this.#customers.list(params);
      case 'subscriptions/create':
        return this.#subscriptions.create(params, setting);
      case 'subscriptions/retrieve':
        return this.#subscriptions.retrieve(named);
      case 'subscriptions/cancel':
        return this.#subscriptions.cancel(named, setting);
      case 'subscriptions/list':
        return this.#subscriptions.list(params);
      case 'subscription_items/create':
        return this.#subscriptions.createItem(params, setting);
      default:
        return invalid(`This simulator does not ${action} ${kind}.`);
    }
  }

  get #size(): number {
    return this.#products.size + this.#customers.size + this.#prices.size + this.#subscriptions.size;
  }
}
