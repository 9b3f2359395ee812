/** Stripe's billing objects as far as they matter here, in the shape in which they are answered. */

export interface Product {
  readonly id: string;
  readonly object: 'product';
  active: boolean;
  readonly created: number;
  default_price: null;
  description: string | null;
  readonly images: readonly string[];
  readonly livemode: boolean;
  readonly marketing_features: readonly string[];
  metadata: Readonly<Record<string, string>>;
  name: string;
  readonly type: 'service';
  unit_label: string | null;
  updated: number;
}

export interface Price {
  readonly id: string;
  readonly object: 'price';
  active: boolean;
  readonly billing_scheme: 'per_unit';
  readonly created: number;
  readonly currency: string;
  readonly livemode: boolean;
  lookup_key: string | null;
  metadata: Readonly<Record<string, string>>;
  nickname: string | null;
  readonly product: string;
  readonly recurring: Recurring | null;
  readonly tax_behavior: 'unspecified';
  readonly type: 'recurring' | 'one_time';
  readonly unit_amount: number | null;
  readonly unit_amount_decimal: string;
}

export interface Recurring {
  readonly interval: string;
  readonly interval_count: number;
  readonly meter: string | null;
  readonly trial_period_days: null;
  readonly usage_type: 'licensed' | 'metered';
}

export interface Customer {
  readonly id: string;
  readonly object: 'customer';
  readonly created: number;
  readonly delinquent: false;
  description: string | null;
  email: string | null;
  readonly livemode: boolean;
  metadata: Readonly<Record<string, string>>;
  name: string | null;
}

export interface SubscriptionItem {
  readonly id: string;
  readonly object: 'subscription_item';
  readonly created: number;
  readonly current_period_start: number;
  readonly current_period_end: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly price: Price;
  readonly quantity?: number;
  readonly subscription: string;
}

export interface Subscription {
  readonly id: string;
  readonly object: 'subscription';
  readonly billing_cycle_anchor: number;
  canceled_at: number | null;
  readonly collection_method: 'charge_automatically' | 'send_invoice';
  readonly created: number;
  readonly currency: string;
  readonly customer: string;
  readonly days_until_due: number | null;
  readonly items: {
    readonly object: 'list';
    readonly data: SubscriptionItem[];
    readonly has_more: false;
    readonly url: string;
  };
  readonly livemode: boolean;
  metadata: Readonly<Record<string, string>>;
  readonly start_date: number;
  status: 'active' | 'canceled';
}

/** What stands around a call for objects. */
export interface Setting {
  readonly nowS: number;
  readonly livemode: boolean;
  readonly newId: (prefix: string) => string;
}
