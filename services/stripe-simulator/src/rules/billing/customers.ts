import { type Answer, noSuch, success } from '../answers.ts';
import { type Form, textAt } from '../form.ts';
import type { Customer, Setting } from './objects.ts';
import { isAnswer, metadataAt, pageOf, pageParameters, refuseUnknown } from './params.ts';

const writable = ['email', 'name', 'description', 'metadata'];

/** `/v1/customers`. Meter events may name any customer, also one that was never created here. */
export class Customers {
  readonly #customers: Customer[] = [];

  get size(): number {
    return this.#customers.length;
  }

  find(id: string): Customer | undefined {
    return this.#customers.find((customer) => customer.id === id);
  }

  create(params: Form, { nowS, livemode, newId }: Setting): Answer {
    const unknown = refuseUnknown(params, writable);
    if (unknown !== undefined) return unknown;
    const metadata = metadataAt(params);
    if (isAnswer(metadata)) return metadata;
    const customer: Customer = {
      id: newId('cus_'),
      object: 'customer',
      created: nowS,
      delinquent: false,
      description: textAt(params, 'description') ?? null,
      email: textAt(params, 'email') ?? null,
      livemode,
      metadata,
      name: textAt(params, 'name') ?? null,
    };
    this.#customers.unshift(customer);
    return success(customer);
  }

  retrieve(id: string): Answer {
    const customer = this.find(id);
    return customer === undefined ? noSuch('customer', id, 'id') : success(customer);
  }

  update(id: string, params: Form): Answer {
    const customer = this.find(id);
    if (customer === undefined) return noSuch('customer', id, 'id');
    const unknown = refuseUnknown(params, writable);
    if (unknown !== undefined) return unknown;
    const metadata = metadataAt(params);
    if (isAnswer(metadata)) return metadata;
    customer.email = textAt(params, 'email') ?? customer.email;
    customer.name = textAt(params, 'name') ?? customer.name;
    customer.description = textAt(params, 'description') ?? customer.description;
    customer.metadata = { ...customer.metadata, ...metadata };
    return success(customer);
  }

  /** By email exactly as it was given, upper and lower case included. */
  list(params: Form): Answer {
    const unknown = refuseUnknown(params, ['email', ...pageParameters]);
    if (unknown !== undefined) return unknown;
    const { email } = params;
    const keeps = (customer: Customer): boolean => email === undefined || customer.email === email;
    return pageOf(this.#customers, params, { kind: 'customer', url: '/v1/customers', keeps });
  }
}
