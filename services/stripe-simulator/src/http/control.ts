import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { sendError, sendJson, sendMethodNotAllowed, sendNotFound } from '../../../../shared/http/respond.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import { type Fault, faultKind, faultKinds, faultsMax } from '../rules/faults.ts';
import { formatLatency } from '../rules/latency.ts';
import type { Simulator } from '../rules/simulator.ts';
import { readBody } from './body.ts';
import { type ControlCode, faultsBody, limitsBody, type PostedFault, worldBody } from './control-bodies.ts';
import { writeLedger } from './ledger-page.ts';

const eventsDefault = 100;
const eventsMax = 1_000;

export interface ControlOptions {
  readonly simulator: () => Simulator;
  /** Begins anew, as after a start. */
  readonly reset: () => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
}

interface Visitor {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly params: URLSearchParams;
}

type Page = (visitor: Visitor) => void | Promise<void>;

/** Serves `/_sim/*`: what a person or a test asks of the simulator, and tells it. */
export class Control {
  readonly #simulator: () => Simulator;
  readonly #options: ControlOptions;
  readonly #pages: ReadonlyMap<string, Readonly<Record<string, Page>>>;

  constructor(options: ControlOptions) {
    this.#simulator = options.simulator;
    this.#options = options;
    this.#pages = new Map<string, Readonly<Record<string, Page>>>([
      ['/_sim/ledger', { GET: (visitor) => this.#showLedger(visitor) }],
      ['/_sim/events', { GET: (visitor) => this.#showEvents(visitor) }],
      [
        '/_sim/faults',
        {
          GET: (visitor) => this.#showFaults(visitor),
          POST: (visitor) => this.#addFaults(visitor),
          DELETE: (visitor) => this.#removeFaults(visitor),
        },
      ],
      ['/_sim/world', { GET: (visitor) => this.#showWorld(visitor), POST: (visitor) => this.#changeWorld(visitor) }],
      ['/_sim/limits', { GET: (visitor) => this.#showLimits(visitor), POST: (visitor) => this.#changeLimits(visitor) }],
      ['/_sim/reset', { POST: (visitor) => this.#reset(visitor) }],
    ]);
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void | Promise<void> => {
    const { pathname, searchParams: params } = new URL(request.url ?? '/', 'http://localhost');
    const pages = this.#pages.get(pathname);
    if (pages === undefined) return sendNotFound(response, pathname, this.#routes());
    const page = pages[request.method ?? ''];
    if (page === undefined) return sendMethodNotAllowed(response, request.method, Object.keys(pages).join(', '));
    return page({ request, response, params });
  };

  #routes(): string[] {
    return [...this.#pages].flatMap(([path, pages]) => Object.keys(pages).map((method) => `${method} ${path}`));
  }

  #showLedger({ response, params }: Visitor): Promise<void> {
    const customer = params.get('customer') ?? undefined;
    return writeLedger(response, this.#simulator(), { customer, withTotals: params.get('totals') !== 'false' });
  }

  #showEvents({ response, params }: Visitor): void {
    const limit = Number(params.get('limit') ?? eventsDefault);
    if (!Number.isInteger(limit) || limit < 1 || limit > eventsMax) {
      refuse(
        response,
        'bad_query',
        `limit is "${params.get('limit')}"; it must be a whole number from 1 to ${eventsMax}.`,
      );
      return;
    }
    const filter = { customer: params.get('customer') ?? undefined, eventName: params.get('event_name') ?? undefined };
    sendJson(response, 200, { events: this.#simulator().ledger.recent(filter, limit) });
  }

  #showFaults({ response }: Visitor): void {
    const nowMs = this.#options.now();
    const faults = this.#simulator()
      .faults.list(nowMs)
      .map(({ untilMs, ...fault }) => ({
        ...fault,
        ...(untilMs === undefined ? {} : { durationMs: untilMs - nowMs }),
      }));
    sendJson(response, 200, { faults });
  }

  async #addFaults(visitor: Visitor): Promise<void> {
    const posted = await bodyOf(visitor, faultsBody);
    if (posted === undefined) return;
    const { faults } = this.#simulator();
    const nowMs = this.#options.now();
    if (faults.list(nowMs).length + posted.length > faultsMax) {
      refuse(
        visitor.response,
        'bad_body',
        `At most ${faultsMax} faults can be switched on at once; remove some first.`,
      );
      return;
    }
    for (const fault of posted) faults.add(timed(fault, nowMs));
    this.#options.log.info({ faults: posted }, 'Faults were switched on.');
    this.#showFaults(visitor);
  }

  #removeFaults(visitor: Visitor): void {
    const name = visitor.params.get('kind');
    const kind = faultKind(name);
    if (name !== null && kind === undefined) {
      refuse(visitor.response, 'bad_query', `kind is "${name}"; it must be one of ${faultKinds.join(', ')}.`);
      return;
    }
    this.#simulator().faults.remove(kind);
    this.#options.log.info({ kind }, 'Faults were switched off.');
    this.#showFaults(visitor);
  }

  #showWorld({ response }: Visitor): void {
    sendJson(response, 200, this.#simulator().world.declared());
  }

  async #changeWorld(visitor: Visitor): Promise<void> {
    const declaration = await bodyOf(visitor, worldBody);
    if (declaration === undefined) return;
    this.#simulator().world.declare(declaration);
    this.#showWorld(visitor);
  }

  #showLimits({ response }: Visitor): void {
    const { ratePerS, basicRatePerS, latency } = this.#simulator().limits;
    sendJson(response, 200, { ratePerS, basicRatePerS, latency: formatLatency(latency) });
  }

  async #changeLimits(visitor: Visitor): Promise<void> {
    const changes = await bodyOf(visitor, limitsBody);
    if (changes === undefined) return;
    const simulator = this.#simulator();
    const { ratePerS, basicRatePerS, latency } = simulator.limits;
    simulator.limits = {
      ratePerS: changes.ratePerS ?? ratePerS,
      basicRatePerS: changes.basicRatePerS ?? basicRatePerS,
      latency: changes.latency ?? latency,
    };
    this.#showLimits(visitor);
  }

  #reset({ response }: Visitor): void {
    this.#options.reset();
    this.#options.log.info(
      'The simulator was reset: ledger, meters, faults, limits and what it remembered are as after a start.',
    );
    sendJson(response, 200, { reset: true });
  }
}

function refuse(response: ServerResponse, code: ControlCode, message: string): void {
  sendError(response, 400, code, message);
}

function timed(
  { kind, rate, customer, account, endpoint, reason, delayMs, durationMs }: PostedFault,
  nowMs: number,
): Fault {
  return {
    kind,
    rate,
    delayMs,
    ...(customer === undefined ? {} : { customer }),
    ...(account === undefined ? {} : { account }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(reason === undefined ? {} : { reason }),
    ...(durationMs === undefined ? {} : { untilMs: nowMs + durationMs }),
  };
}

/** The body as `schema` takes it. Undefined: it does not, and the answer that says why is sent. */
async function bodyOf<T>({ request, response }: Visitor, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await new Promise<string | undefined>((resolve) => readBody(request, resolve));
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  refuse(response, 'bad_body', `The body is not what this page takes. ${z.prettifyError(parsed.error)}`);
  return undefined;
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    // The schema says what is expected; that it was not even JSON is told by the type it names.
    return undefined;
  }
}
