import { type Answer, invalid, noSuch, success } from '../answers.ts';
import { type Form, textAt } from '../form.ts';
import type { Product, Setting } from './objects.ts';
import { flagAt, isAnswer, metadataAt, pageOf, pageParameters, refuseUnknown, requiredText } from './params.ts';

const writable = ['name', 'description', 'active', 'metadata', 'unit_label'];

/** `/v1/products`: an id of one's own may be given, so that who creates it twice is told. */
export class Products {
  readonly #products: Product[] = [];

  get size(): number {
    return this.#products.length;
  }

  find(id: string): Product | undefined {
    return this.#products.find((product) => product.id === id);
  }

  create(params: Form, { nowS, livemode, newId }: Setting): Answer {
    const unknown = refuseUnknown(params, ['id', ...writable]);
    if (unknown !== undefined) return unknown;
    const name = requiredText(params, 'name');
    const metadata = metadataAt(params);
    const active = flagAt(params, 'active') ?? true;
    const id = textAt(params, 'id') ?? newId('prod_');
    if (typeof name !== 'string') return name;
    if (isAnswer(metadata)) return metadata;
    if (typeof active !== 'boolean') return active;
    if (this.find(id) !== undefined)
      return invalid(`Product already exists.`, { code: 'resource_already_exists', param: 'id' });
    const product: Product = {
      id,
      object: 'product',
      active,
      created: nowS,
      default_price: null,
      description: textAt(params, 'description') ?? null,
      images: [],
      livemode,
      marketing_features: [],
      metadata,
      name,
      type: 'service',
      unit_label: textAt(params, 'unit_label') ?? null,
      updated: nowS,
    };
    this.#products.unshift(product);
    return success(product);
  }

  retrieve(id: string): Answer {
    const product = this.find(id);
    return product === undefined ? noSuch('product', id, 'id') : success(product);
  }

  update(id: string, params: Form, { nowS }: Setting): Answer {
    const product = this.find(id);
    if (product === undefined) return noSuch('product', id, 'id');
    const unknown = refuseUnknown(params, writable);
    if (unknown !== undefined) return unknown;
    const metadata = metadataAt(params);
    const active = flagAt(params, 'active') ?? product.active;
    if (isAnswer(metadata)) return metadata;
    if (typeof active !== 'boolean') return active;
    product.active = active;
    product.name = textAt(params, 'name') ?? product.name;
    product.description = textAt(params, 'description') ?? product.description;
    product.unit_label = textAt(params, 'unit_label') ?? product.unit_label;
    product.metadata = { ...product.metadata, ...metadata };
    product.updated = nowS;
    return success(product);
  }

  list(params: Form): Answer {
    const unknown = refuseUnknown(params, ['active', ...pageParameters]);
    if (unknown !== undefined) return unknown;
    const active = flagAt(params, 'active');
    if (typeof active === 'object') return active;
    const keeps = (product: Product): boolean => active === undefined || product.active === active;
    return pageOf(this.#products, params, { kind: 'product', url: '/v1/products', keeps });
  }
}
