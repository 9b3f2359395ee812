import {
  apiCalls,
  customerName,
  documentsSigned,
  egressGb,
  formatUnits,
  meters,
  seats,
  tokens,
  unitsPerOne,
} from './catalogue.ts';
import { seededRandom } from './random.ts';

/**
 * Real-looking usage, the same for the same seed: a few customers use most, some events carry dimensions, some are late,
 * some are corrections, and clients send some again under the same id. Knows nothing of time passing or of answers.
 */
export interface TrafficOptions {
  readonly seed: number;
  /** Makes the event ids of this run different from those of any other. */
  readonly run: string;
  readonly customers: number;
  /** How many events will be asked for in all, by every part together. */
  readonly events: number;
  /** Which part this is. Parts share no customer, so that each can keep books of its own. */
  readonly part: { readonly index: number; readonly of: number };
  readonly startMs: number;
}

/** One request's worth of events. */
export interface Batch {
  /** A JSON array. */
  readonly body: string;
  /** How many events the body holds, those that were sent before included. */
  readonly size: number;
  /** What is in it for the first time. */
  readonly fresh: readonly FreshEvent[];
  /** The texts of the fresh events, to be sent again. */
  readonly texts: readonly string[];
}

export interface FreshEvent {
  /** Customer × number of meters + meter. */
  readonly place: number;
  /** The value in units of 10^-4. */
  readonly units: number;
  /** When it happened, for `last` meters; unix seconds. */
  readonly atS: number;
}

const lateShare = 0.01;
const lateByMs = [10 * 60_000, 3_600_000, 25 * 3_600_000] as const;
const correctionShare = 0.002;
const dimensionShare = 0.3;
const repeatShare = 0.02;
/** Every event of a `count` meter is a call of its own at the provider, so there are few. */
const countEventsMax = 2_000;
/** Readings of a `last` meter lie a second apart, so that it is never a matter of opinion which one is the newest. */
const readingsMax = 3_600;

const regions = ['eu-north-1', 'us-east-1', 'ap-south-1'] as const;
const models = ['small', 'large'] as const;

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #random: () => number;
  readonly #countShare: number;
  readonly #readings: Uint16Array;
  #number = 0;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed + options.part.index * 7_919);
    this.#countShare = Math.min(0.01, countEventsMax / options.events);
    this.#readings = new Uint16Array(options.customers);
  }

  /** `fresh` new events, and now and then one of `known`, which were sent before. */
  next(fresh: number, nowMs: number, known: readonly string[]): Batch {
    const events: FreshEvent[] = [];
    const texts: string[] = [];
    const repeats: string[] = [];
    const nowText = (nowMs / 1_000).toFixed(3);
    for (let index = 0; index < fresh; index++) {
      this.#add(events, texts, nowMs, nowText);
      if (this.#random() >= repeatShare) continue;
      const repeat = known[Math.floor(this.#random() * known.length)];
      if (repeat !== undefined) repeats.push(repeat);
    }
    const body = repeats.length === 0 ? `[${texts.join(',')}]` : `[${texts.join(',')},${repeats.join(',')}]`;
    return { body, size: fresh + repeats.length, fresh: events, texts };
  }

  #add(events: FreshEvent[], texts: string[], nowMs: number, nowText: string): void {
    const random = this.#random;
    const customer = this.#pickCustomer();
    const meter = this.#pickMeter(customer);
    const { part, run } = this.#options;
    const id = `${run}-${part.index}-${(this.#number++).toString(36)}`;
    let text = `{"id":"${id}","customer":"${customerName(customer)}","meter":"${meters[meter].name}"`;
    let units = unitsPerOne;
    let atS = 0;
    switch (meter) {
      case apiCalls:
        // Without a value: the default is 1.
        if (random() < dimensionShare) text += `,"dimensions":{"region":"${pick(regions, random())}"}`;
        break;
      case tokens: {
        const count = 1 + Math.floor(random() * 4_000);
        units = count * unitsPerOne;
        text += `,"value":${count}`;
        if (random() < dimensionShare) text += `,"dimensions":{"model":"${pick(models, random())}"}`;
        break;
      }
      case egressGb:
        units = 1 + Math.floor(random() * 99_999);
        if (random() < correctionShare) units = -units;
        text += `,"value":"${formatUnits(BigInt(units))}"`;
        break;
      case seats: {
        const reading = this.#readings[customer] ?? 0;
        this.#readings[customer] = reading + 1;
        // Every second reading comes before the one it follows.
        atS = Math.floor(this.#options.startMs / 1_000) - readingsMax + (reading ^ 1);
        const count = 1 + Math.floor(random() * 500);
        units = count * unitsPerOne;
        text += `,"value":${count},"timestamp":${atS}}`;
        texts.push(text);
        events.push({ place: customer * meters.length + meter, units, atS });
        return;
      }
      case documentsSigned:
        break;
    }
    if (random() < lateShare) {
      text += `,"timestamp":"${new Date(nowMs - pick(lateByMs, random())).toISOString()}"}`;
    } else {
      text += `,"timestamp":${nowText}}`;
    }
    texts.push(text);
    events.push({ place: customer * meters.length + meter, units, atS });
  }

  /** A tenth of the customers make almost half of the usage. */
  #pickCustomer(): number {
    const { customers, part } = this.#options;
    const own = Math.ceil((customers - part.index) / part.of);
    return part.index + part.of * Math.floor(own * this.#random() ** 3);
  }

  #pickMeter(customer: number): 0 | 1 | 2 | 3 | 4 {
    const chance = this.#random();
    if (chance < this.#countShare) return documentsSigned;
    if (chance < 0.03 && (this.#readings[customer] ?? 0) < readingsMax) return seats;
    if (chance < 0.6) return apiCalls;
    return chance < 0.85 ? tokens : egressGb;
  }
}

function pick<T>(choices: readonly [T, ...T[]], chance: number): T {
  return choices[Math.floor(chance * choices.length)] ?? choices[0];
}
