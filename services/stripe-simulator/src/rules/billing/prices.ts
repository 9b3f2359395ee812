import { type Answer, invalid, missingParameter, noSuch, success } from '../answers.ts';
import { type Form, textAt } from '../form.ts';
import type { Meters } from '../meters.ts';
import type { Price, Recurring, Setting } from './objects.ts';
import {
  flagAt,
  isAnswer,
  listAt,
  mapAt,
  metadataAt,
  pageOf,
  pageParameters,
  refuseUnknown,
  requiredText,
} from './params.ts';
import type { Products } from './products.ts';

const createParameters = [
  'currency',
  'product',
  'unit_amount',
  'unit_amount_decimal',
  'recurring',
  'lookup_key',
  'transfer_lookup_key',
  'nickname',
  'active',
  'metadata',
  'billing_scheme',
];
const updateParameters = ['active', 'lookup_key', 'transfer_lookup_key', 'nickname', 'metadata'];
const intervals = ['day', 'week', 'month', 'year'];

/** `/v1/prices`. What a price charges never changes: for another amount there is another price, which may take the key over. */
export class Prices {
  readonly #prices: Price[] = [];
  readonly #products: Products;
  readonly #meters: Meters;

  constructor(products: Products, meters: Meters) {
    this.#products = products;
    this.#meters = meters;
  }

  get size(): number {
    return this.#prices.length;
  }

  find(id: string): Price | undefined {
    return this.#prices.find((price) => price.id === id);
  }

  create(params: Form, { nowS, livemode, newId }: Setting): Answer {
    const unknown = refuseUnknown(params, createParameters);
    if (unknown !== undefined) return unknown;
    const currency = requiredText(params, 'currency', 3);
    const product = requiredText(params, 'product');
    const amount = amountOf(params);
    const recurring = this.#recurringOf(params);
    const metadata = metadataAt(params);
    const active = flagAt(params, 'active') ?? true;
    if (typeof currency !== 'string') return currency;
    if (typeof product !== 'string') return product;
    if (!/^[a-z]{3}$/.test(currency)) return invalid(`Invalid currency: ${currency}.`, { param: 'currency' });
    if (this.#products.find(product) === undefined) return noSuch('product', product, 'product', 400);
    if (typeof amount !== 'string') return amount;
    if (recurring !== null && isAnswer(recurring)) return recurring;
    if (isAnswer(metadata)) return metadata;
    if (typeof active !== 'boolean') return active;
    if (textAt(params, 'billing_scheme') === 'tiered') return invalid('This simulator has no tiered prices.');
    const lookupKey = this.#takeLookupKey(params);
    if (typeof lookupKey === 'object' && lookupKey !== null) return lookupKey;
    const price: Price = {
      id: newId('price_'),
      object: 'price',
      active,
      billing_scheme: 'per_unit',
      created: nowS,
      currency,
      livemode,
      lookup_key: lookupKey,
      metadata,
      nickname: textAt(params, 'nickname') ?? null,
      product,
      recurring,
      tax_behavior: 'unspecified',
      type: recurring === null ? 'one_time' : 'recurring',
      unit_amount: amount.includes('.') ? null : Number(amount),
      unit_amount_decimal: amount,
    };
    this.#prices.unshift(price);
    return success(price);
  }

  retrieve(id: string): Answer {
    const price = this.find(id);
    return price === undefined ? noSuch('price', id, 'id') : success(price);
  }

  update(id: string, params: Form): Answer {
    const price = this.find(id);
    if (price === undefined) return noSuch('price', id, 'id');
    const unknown = refuseUnknown(params, updateParameters);
    if (unknown !== undefined) return unknown;
    const metadata = metadataAt(params);
    const active = flagAt(params, 'active') ?? price.active;
    if (isAnswer(metadata)) return metadata;
    if (typeof active !== 'boolean') return active;
    if (textAt(params, 'lookup_key') !== undefined && textAt(params, 'lookup_key') !== price.lookup_key) {
      const lookupKey = this.#takeLookupKey(params);
      if (typeof lookupKey === 'object' && lookupKey !== null) return lookupKey;
      price.lookup_key = lookupKey;
    }
    price.active = active;
    price.nickname = textAt(params, 'nickname') ?? price.nickname;
    price.metadata = { ...price.metadata, ...metadata };
    return success(price);
  }

  list(params: Form): Answer {
    const unknown = refuseUnknown(params, ['active', 'currency', 'product', 'lookup_keys', 'type', ...pageParameters]);
    if (unknown !== undefined) return unknown;
    const active = flagAt(params, 'active');
    if (typeof active === 'object') return active;
    const keys = listAt(params, 'lookup_keys');
    if (keys.length > 10) return invalid('At most 10 lookup_keys may be given.', { param: 'lookup_keys' });
    const { product, currency, type } = params;
    const keeps = (price: Price): boolean =>
      (active === undefined || price.active === active) &&
      (product === undefined || price.product === product) &&
      (currency === undefined || price.currency === currency) &&
      (type === undefined || price.type === type) &&
      (keys.length === 0 || (price.lookup_key !== null && keys.includes(price.lookup_key)));
    return pageOf(this.#prices, params, { kind: 'price', url: '/v1/prices', keeps });
  }

  /** A key belongs to one price; another one may take it over if it says so. */
  #takeLookupKey(params: Form): string | null | Answer {
    const lookupKey = textAt(params, 'lookup_key');
    if (lookupKey === undefined) return null;
    const holder = this.#prices.find((price) => price.lookup_key === lookupKey);
    if (holder !== undefined) {
      if (textAt(params, 'transfer_lookup_key') !== 'true') {
        return invalid(`A price (\`${holder.id}\`) already uses that lookup key.`, { param: 'lookup_key' });
      }
      holder.lookup_key = null;
    }
    return lookupKey;
  }

  #recurringOf(params: Form): Recurring | null | Answer {
    if (params['recurring'] === undefined) return null;
    const recurring = mapAt(params, 'recurring');
    const interval = textAt(recurring, 'interval');
    const usageType = textAt(recurring, 'usage_type') ?? 'licensed';
    const meterId = textAt(recurring, 'meter');
    const intervalCount = Number(textAt(recurring, 'interval_count') ?? '1');
    if (interval === undefined) return missingParameter('recurring[interval]');
    if (!intervals.includes(interval)) {
      return invalid('Invalid recurring[interval]: must be one of day, month, week, or year', {
        param: 'recurring[interval]',
      });
    }
    if (usageType !== 'licensed' && usageType !== 'metered') {
      return invalid('Invalid recurring[usage_type]: must be one of licensed or metered', {
        param: 'recurring[usage_type]',
      });
    }
    if ((meterId !== undefined) !== (usageType === 'metered')) {
      return invalid('Metered prices have a meter, and licensed ones have none.', { param: 'recurring[meter]' });
    }
    if (meterId !== undefined) {
      const meter = this.#meters.find(meterId);
      if (meter === undefined) return noSuch('meter', meterId, 'recurring[meter]', 400);
      if (!this.#meters.isActive(meter)) {
        return invalid(`The meter ${meterId} is inactive.`, { param: 'recurring[meter]' });
      }
    }
    return {
      interval,
      interval_count: intervalCount,
      meter: meterId ?? null,
      trial_period_days: null,
      usage_type: usageType,
    };
  }
}

function amountOf(params: Form): string | Answer {
  const whole = textAt(params, 'unit_amount');
  const decimal = textAt(params, 'unit_amount_decimal');
  if (whole === undefined && decimal === undefined) return missingParameter('unit_amount');
  if (whole !== undefined && decimal !== undefined)
    return invalid('Only one of unit_amount and unit_amount_decimal may be given.');
  if (whole !== undefined) return /^\d{1,12}$/.test(whole) ? whole : invalid('Invalid integer: unit_amount');
  const text = decimal ?? '';
  return /^\d{1,12}(\.\d{1,12})?$/.test(text)
    ? text
    : invalid('Invalid decimal: unit_amount_decimal has at most 12 decimal places.', { param: 'unit_amount_decimal' });
}
