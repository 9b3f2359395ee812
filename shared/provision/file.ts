import { hash } from 'node:crypto';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';

/** What a person wants to have at Stripe, as `meters.yaml` says it. */
export interface WantedMeter {
  readonly eventName: string;
  readonly displayName: string;
  readonly formula: 'sum' | 'count' | 'last';
  readonly customerKey: string;
  readonly valueKey: string;
  readonly price: WantedPrice | undefined;
}

export interface WantedPrice {
  /** Of our own making, so that the product is found again. */
  readonly productId: string;
  readonly productName: string;
  readonly lookupKey: string;
  readonly currency: string;
  /** In the currency's smallest unit, exact. */
  readonly unitAmount: string;
  readonly interval: 'day' | 'week' | 'month' | 'year';
}

export interface WantedCustomer {
  /** One that exists; else it is found, or made, by its email. */
  readonly id: string | undefined;
  readonly email: string | undefined;
  readonly name: string | undefined;
  /** Event names of the meters that it pays for. */
  readonly meters: readonly string[];
  /** Undefined: its card is charged. */
  readonly daysUntilDue: number | undefined;
}

export interface Wanted {
  readonly meters: readonly WantedMeter[];
  readonly customers: readonly WantedCustomer[];
}

/** The file cannot be used: every fault is a sentence that begins with its line. */
export class FileError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

const text = (max: number) => z.string().min(1, 'it is empty').max(max, `it has more than ${max} characters`);
const decimal = /^(0|[1-9]\d{0,11})(\.\d{1,12})?$/;

const priceShape = z.strictObject({
  unit_amount_decimal: z.string().regex(decimal, 'it must be a decimal with at most 12 places, such as 0.25'),
  currency: z.string().optional(),
  interval: z.enum(['day', 'week', 'month', 'year']).default('month'),
  product: text(250).optional(),
});
const meterShape = z.strictObject({
  event_name: text(100),
  display_name: text(250).optional(),
  formula: z.enum(['sum', 'count', 'last']).default('sum'),
  customer_key: text(100).default('stripe_customer_id'),
  value_key: text(100).default('value'),
  price: priceShape.optional(),
});
const customerShape = z.strictObject({
  id: z
    .string()
    .regex(/^cus_\w+$/, 'it must be the id of a customer, cus_…')
    .optional(),
  email: z
    .string()
    .regex(/^\S+@\S+$/, 'it must be an email address')
    .optional(),
  name: text(250).optional(),
  meters: z.array(text(100)).optional(),
  days_until_due: z
    .string()
    .regex(/^\d{1,3}$|^charge$/, 'it must be a number of days, or charge')
    .default('30'),
});
const fileShape = z.strictObject({
  currency: z.string().default('usd'),
  meters: z.array(meterShape).min(1, 'there is no meter'),
  customers: z.array(customerShape).default([]),
});
type File = z.infer<typeof fileShape>;

/** Throws a `FileError` that names every fault. */
export function parseFile(yaml: string): Wanted {
  const lines = new LineCounter();
  // Everything stays the text that it is: a price is no float.
  const document = parseDocument(yaml, { schema: 'failsafe', lineCounter: lines });
  if (document.errors.length > 0) {
    throw new FileError(document.errors.map(({ message }) => (message.split('\n', 1)[0] ?? '').replace(/:$/, '.')));
  }
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range))
        return lines.linePos(Number(node.range[0])).line;
    }
    return 1;
  };
  const fault = (path: readonly PropertyKey[], sentence: string): string =>
    `line ${lineOf(path)}: ${nameOf(path)}${sentence}.`;
  const read = fileShape.safeParse(document.toJS());
  if (!read.success) throw new FileError(read.error.issues.map(({ path, message }) => fault(path, message)));
  const faults = contradictions(read.data).map(([path, sentence]) => fault(path, sentence));
  if (faults.length > 0) throw new FileError(faults);
  return wantedOf(read.data);
}

/** `meters[0].price: ` */
function nameOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '';
  const name = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return `${name.replace(/^\./, '')}: `;
}

type Fault = readonly [path: readonly PropertyKey[], sentence: string];

function contradictions({ currency, meters, customers }: File): Fault[] {
  const faults: Fault[] = [];
  const currencyShape = /^[a-z]{3}$/;
  if (!currencyShape.test(currency)) faults.push([['currency'], 'it must be a currency of three small letters']);
  meters.forEach(({ event_name: name, price }, index) => {
    const first = meters.findIndex((meter) => meter.event_name === name);
    if (first !== index) faults.push([['meters', index, 'event_name'], `${name} stands twice in the file`]);
    if (price?.currency !== undefined && !currencyShape.test(price.currency))
      faults.push([['meters', index, 'price', 'currency'], 'it must be a currency of three small letters']);
  });
  customers.forEach((customer, index) => {
    const path = ['customers', index] as const;
    if (customer.id === undefined && customer.email === undefined)
      faults.push([path, 'it needs an email, or the id of a customer that exists']);
    const twice = customers.findIndex((other) =>
      customer.id === undefined ? other.email === customer.email : other.id === customer.id,
    );
    if (twice !== index) faults.push([path, 'this customer stands twice in the file']);
    customer.meters?.forEach((name, at) => {
      const meter = meters.find((known) => known.event_name === name);
      const meterPath = [...path, 'meters', at];
      if (meter === undefined) faults.push([meterPath, `there is no meter ${name} in the file`]);
      else if (meter.price === undefined) faults.push([meterPath, `the meter ${name} has no price`]);
    });
    const currencies = new Set(pricedOf(meters, customer.meters).map(({ price }) => price?.currency ?? currency));
    if (currencies.size > 1)
      faults.push([path, `a subscription has one currency, and these meters have ${[...currencies].join(', ')}`]);
  });
  return faults;
}

/** Those that a customer pays for: all that have a price, unless it says which. */
function pricedOf(meters: File['meters'], names: readonly string[] | undefined): File['meters'] {
  return meters.filter(({ event_name: name, price }) => price !== undefined && (names?.includes(name) ?? true));
}

function wantedOf({ currency, meters, customers }: File): Wanted {
  return {
    meters: meters.map(({ event_name: eventName, display_name: given, formula, customer_key, value_key, price }) => {
      const displayName = given ?? eventName;
      return {
        eventName,
        displayName,
        formula,
        customerKey: customer_key,
        valueKey: value_key,
        price: price === undefined ? undefined : priceOf(eventName, displayName, price, currency),
      };
    }),
    customers: customers.map((customer) => ({
      id: customer.id,
      email: customer.email,
      name: customer.name,
      meters: pricedOf(meters, customer.meters).map(({ event_name: name }) => name),
      daysUntilDue: customer.days_until_due === 'charge' ? undefined : Number(customer.days_until_due),
    })),
  };
}

function priceOf(
  eventName: string,
  displayName: string,
  price: z.infer<typeof priceShape>,
  currency: string,
): WantedPrice {
  return {
    productId: `tallyman_${idPartOf(eventName)}`,
    productName: price.product ?? displayName,
    lookupKey: `tallyman_${eventName}`,
    currency: price.currency ?? currency,
    unitAmount: price.unit_amount_decimal,
    interval: price.interval,
  };
}

/** An id has letters, digits, _ and - only; what had others is told apart by a digest. */
function idPartOf(eventName: string): string {
  const part = eventName.replaceAll(/[^\w-]/g, '-');
  return part === eventName ? part : `${part}-${hash('sha256', eventName, 'hex').slice(0, 8)}`;
}
