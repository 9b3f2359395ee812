import { type Answer, invalid, isAnswer, noSuch, success, unknownParameter } from './answers.ts';
import { type Form, textAt } from './form.ts';
import { type MeterDefinition, readDefinition } from './meter-definition.ts';
import type { World } from './world.ts';

export interface Meter extends MeterDefinition {
  readonly id: string;
  displayName: string;
  readonly createdS: number;
  updatedS: number;
  deactivatedS: number | undefined;
}

export interface MetersOptions {
  readonly world: World;
  readonly newId: () => string;
}

/** The meters of one account. An event name belongs to one active meter at most. */
export class Meters {
  readonly #world: World;
  readonly #newId: () => string;
  /** Newest first, as Stripe lists them. */
  readonly #meters: Meter[] = [];

  constructor({ world, newId }: MetersOptions) {
    this.#world = world;
    this.#newId = newId;
  }

  /** The meter that takes events of this name: the active one, else the archived one, so that it can be said. */
  forEvent(eventName: string): Meter | undefined {
    let archived: Meter | undefined;
    for (const meter of this.#meters) {
      if (meter.eventName !== eventName) continue;
      if (this.isActive(meter)) return meter;
      archived ??= meter;
    }
    return archived;
  }

  isActive(meter: Meter): boolean {
    return meter.deactivatedS === undefined && !this.#world.isArchived(meter.eventName);
  }

  add(definition: MeterDefinition, nowS: number): Meter {
    const meter: Meter = { ...definition, id: this.#newId(), createdS: nowS, updatedS: nowS, deactivatedS: undefined };
    this.#meters.unshift(meter);
    return meter;
  }

  /** `POST /v1/billing/meters` */
  create(params: Form, nowS: number, livemode: boolean): Answer {
    const definition = readDefinition(params);
    if (isAnswer(definition)) return definition;
    if (this.#meters.some((meter) => meter.eventName === definition.eventName && this.isActive(meter))) {
      return invalid(`There is an active meter with event name ${definition.eventName} already.`, {
        param: 'event_name',
      });
    }
    return success(this.#render(this.add(definition, nowS), livemode));
  }

  find(id: string): Meter | undefined {
    return this.#meters.find((meter) => meter.id === id);
  }

  /** `GET /v1/billing/meters/:id` */
  retrieve(id: string, livemode: boolean): Answer {
    const meter = this.find(id);
    return meter === undefined ? noSuch('meter', id, 'id') : success(this.#render(meter, livemode));
  }

  /** `POST /v1/billing/meters/:id`: nothing else of a meter can be changed. */
  update(id: string, params: Form, nowS: number, livemode: boolean): Answer {
    const meter = this.find(id);
    if (meter === undefined) return noSuch('meter', id, 'id');
    for (const name of Object.keys(params)) {
      if (name !== 'display_name' && name !== 'expand') return unknownParameter(name);
    }
    meter.displayName = textAt(params, 'display_name') ?? meter.displayName;
    meter.updatedS = nowS;
    return success(this.#render(meter, livemode));
  }

  /** `POST /v1/billing/meters/:id/deactivate` and `…/reactivate` */
  setActive(id: string, active: boolean, nowS: number, livemode: boolean): Answer {
    const meter = this.find(id);
    if (meter === undefined) return noSuch('meter', id, 'id');
    if ((meter.deactivatedS === undefined) === active) {
      return invalid(`The meter ${id} is already ${active ? 'active' : 'inactive'}.`);
    }
    if (active && this.#meters.some((other) => other.eventName === meter.eventName && this.isActive(other))) {
      return invalid(`There is an active meter with event name ${meter.eventName} already.`);
    }
    meter.deactivatedS = active ? undefined : nowS;
    meter.updatedS = nowS;
    return success(this.#render(meter, livemode));
  }

  /** `GET /v1/billing/meters` */
  list(params: Form, livemode: boolean): Answer {
    for (const name of Object.keys(params)) if (!listParameters.includes(name)) return unknownParameter(name);
    const { limit: limitText = '10', status } = params;
    const after = textAt(params, 'starting_after');
    const before = textAt(params, 'ending_before');
    const limit = typeof limitText === 'string' && /^\d{1,3}$/.test(limitText) ? Number(limitText) : 0;
    if (limit < 1 || limit > 100)
      return invalid('Invalid integer: limit must be from 1 to 100.', {
        code: 'parameter_invalid_integer',
        param: 'limit',
      });
    if (status !== undefined && status !== 'active' && status !== 'inactive') {
      return invalid('Invalid status: must be one of active or inactive', { param: 'status' });
    }
    if (after !== undefined && before !== undefined)
      return invalid('Only one of starting_after and ending_before may be given.');
    const chosen = this.#meters.filter(
      (meter) => status === undefined || this.isActive(meter) === (status === 'active'),
    );
    const page = this.#page(chosen, limit, after, before);
    if (isAnswer(page)) return page;
    const data = page.meters.map((meter) => this.#render(meter, livemode));
    return success({ object: 'list', data, has_more: page.hasMore, url: '/v1/billing/meters' });
  }

  #page(
    chosen: readonly Meter[],
    limit: number,
    after?: string,
    before?: string,
  ): Answer | { meters: readonly Meter[]; hasMore: boolean } {
    const cursor = after ?? before;
    // Of the whole list: a cursor may have left the filter since the page before.
    const cursorAt = this.#meters.findIndex(({ id }) => id === cursor);
    if (cursor !== undefined && cursorAt < 0) {
      return noSuch('meter', cursor, after === undefined ? 'ending_before' : 'starting_after', 400);
    }
    const positionOf = (meter: Meter): number => this.#meters.indexOf(meter);
    if (before === undefined) {
      const rest = chosen.filter((meter) => positionOf(meter) > cursorAt);
      return { meters: rest.slice(0, limit), hasMore: rest.length > limit };
    }
    const rest = chosen.filter((meter) => positionOf(meter) < cursorAt);
    return { meters: rest.slice(-limit), hasMore: rest.length > limit };
  }

  #render(meter: Meter, livemode: boolean): object {
    return {
      id: meter.id,
      object: 'billing.meter',
      created: meter.createdS,
      customer_mapping: { event_payload_key: meter.customerKey, type: 'by_id' },
      default_aggregation: { formula: meter.formula },
      display_name: meter.displayName,
      event_name: meter.eventName,
      event_time_window: meter.eventTimeWindow ?? null,
      livemode,
      status: this.isActive(meter) ? 'active' : 'inactive',
      status_transitions: { deactivated_at: meter.deactivatedS ?? null },
      updated: meter.updatedS,
      value_settings: { event_payload_key: meter.valueKey },
    };
  }
}

const listParameters = ['limit', 'status', 'starting_after', 'ending_before', 'expand'];
