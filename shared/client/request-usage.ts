import type { UsageClient } from './usage-client.ts';
import type { Usage } from './usage.ts';

/** Which requests are usage, and of what. Each function is called after the response was sent, so it sees its status. */
export interface RequestUsageOptions<Request, Response> {
  readonly client: Pick<UsageClient, 'record'> & Partial<Pick<UsageClient, 'announce'>>;
  /** The API key of a request. `undefined`: the request is not counted. */
  readonly key: (request: Request) => string | undefined;
  /** The customer who owns the key. `undefined`: nobody does, and the request is not counted. */
  readonly customer: (key: string, request: Request) => string | undefined | Promise<string | undefined>;
  /** The meter. `undefined`: the request is not counted. */
  readonly meter: string | ((request: Request, response: Response) => string | undefined);
  /** Default: 1 for each request. A request for which it returns `undefined` is dropped, not counted as 1. */
  readonly value?: (request: Request, response: Response) => Usage['value'];
  readonly dimensions?: (request: Request, response: Response) => Usage['dimensions'];
  /** The id of the event, if a repeated request repeats it. Default: every request counts. */
  readonly id?: (request: Request, response: Response) => string | undefined;
  /** Called for each request that should have been counted and was not: the buffer was full, the sidecar rejected it, or one of these functions failed. */
  readonly onDropped: (error: Error, usage: Partial<Usage>) => void;
  /** The most lookups of customers at a time. Default: 1000. */
  readonly lookupsMax?: number;
}

/** Requests that were answered; the four add up to all of them. */
export interface RequestCounts {
  /** Not known yet: the lookup, or the delivery, is under way. */
  readonly pending: number;
  readonly counted: number;
  /** Without key, customer or meter. */
  readonly uncounted: number;
  readonly dropped: number;
}

const lookupsMaxDefault = 1_000;

/** Counts requests that have been answered. Never throws, and nobody waits for it. */
export class RequestUsage<Request, Response> {
  readonly #options: RequestUsageOptions<Request, Response>;
  readonly #counts = { pending: 0, counted: 0, uncounted: 0, dropped: 0 };
  #lookups = 0;

  constructor(options: RequestUsageOptions<Request, Response>) {
    this.#options = options;
  }

  counts(): RequestCounts {
    return { ...this.#counts };
  }

  /** For an answer that is out. */
  count(request: Request, response: Response): void {
    this.#counts.pending++;
    const usage: { -readonly [field in keyof Usage]?: Usage[field] } = {};
    const { client } = this.#options;
    // A lookup takes its time, and the application may close the client meanwhile.
    const announced = client.announce?.() ?? { record: (known: Usage) => client.record(known), drop: () => undefined };
    this.#record(request, response, usage, (known) => announced.record(known))
      .finally(() => announced.drop())
      .then(
        (isUsage) => {
          this.#counts[isUsage ? 'counted' : 'uncounted']++;
        },
        (thrown: unknown) => {
          this.#counts.dropped++;
          this.#options.onDropped(thrown instanceof Error ? thrown : new Error(String(thrown)), usage);
        },
      )
      // The callback is not ours. What it throws must not end a process that only counts.
      .catch((thrown: unknown) => process.emitWarning(thrown instanceof Error ? thrown : String(thrown)))
      .finally(() => this.#counts.pending--);
  }

  /** Fills in `usage` as far as it comes. Answers whether the request is usage at all, once that is durable. */
  async #record(
    request: Request,
    response: Response,
    usage: { -readonly [field in keyof Usage]?: Usage[field] },
    record: UsageClient['record'],
  ): Promise<boolean> {
    const { key, meter, value, dimensions, id } = this.#options;
    usage.timestamp = Date.now() / 1_000;
    const apiKey = key(request);
    const meterName = typeof meter === 'function' ? meter(request, response) : meter;
    if (apiKey === undefined || meterName === undefined) return false;
    usage.meter = meterName;
    // Before the lookup: later, the framework may have given the request to somebody else.
    if (value !== undefined) usage.value = valueOf(value(request, response));
    usage.dimensions = dimensions?.(request, response);
    usage.id = id?.(request, response);
    const customer = await this.#lookUp(apiKey, request);
    if (customer === undefined) return false;
    usage.customer = customer;
    await record({ ...usage, customer, meter: meterName });
    return true;
  }

  async #lookUp(key: string, request: Request): Promise<string | undefined> {
    const { customer, lookupsMax = lookupsMaxDefault } = this.#options;
    if (this.#lookups >= lookupsMax) {
      throw new Error(`${lookupsMax} lookups of customers are under way: this request is not counted`);
    }
    this.#lookups++;
    try {
      return await customer(key, request);
    } finally {
      this.#lookups--;
    }
  }
}

function valueOf(value: Usage['value']): NonNullable<Usage['value']> {
  if (value !== undefined) return value;
  throw new Error('`value` answered undefined for this request: it is not counted, since nobody knows how much it was');
}
