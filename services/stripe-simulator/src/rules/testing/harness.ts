import type { Answer } from '../answers.ts';
import type { Call, Visit } from '../call.ts';
import type { FaultKind } from '../faults.ts';
import { parseMeters } from '../meter-definition.ts';
import { Simulator, type SimulatorOptions } from '../simulator.ts';

export const startMs = 1_795_000_000_000;
export const nowS = startMs / 1_000;
export const dayMs = 86_400_000;

export const options: SimulatorOptions = {
  seed: 1,
  limits: { ratePerS: 1_000, basicRatePerS: 100, latency: { kind: 'fixed', ms: 200 } },
  faults: [],
  meters: parseMeters('api:sum,seats:last,logins:count') ?? [],
  identifiersMax: 1_000_000,
  idempotencyKeysMax: 1_000_000,
  summaryLagMs: 10_000,
};

export interface EventOptions extends Partial<Pick<Call, 'apiKey' | 'account' | 'idempotencyKey'>> {
  readonly identifier?: string;
  readonly customer?: string;
  readonly value?: string;
  readonly meter?: string;
  readonly timestampS?: number;
}

/** A simulator and its clock, which moves only when a call takes time or a test moves it. */
export class Harness {
  readonly simulator: Simulator;
  nowMs = startMs;
  #made = 0;

  constructor(changes: Partial<SimulatorOptions> = {}) {
    this.simulator = new Simulator({ ...options, ...changes });
  }

  /** A meter event of cus_1 on meter `api` with a new identifier, unless told otherwise. */
  eventCall(given: EventOptions = {}): Call {
    this.#made += 1;
    const { identifier = `made-${this.#made}`, customer = 'cus_1', value = '1', meter = 'api', timestampS } = given;
    const time = timestampS === undefined ? '' : `&timestamp=${timestampS}`;
    const payload = `payload[stripe_customer_id]=${customer}&payload[value]=${value}`;
    return this.post(`event_name=${meter}&identifier=${identifier}&${payload}${time}`, given);
  }

  post(body: string, given: EventOptions = {}): Call {
    const { account, idempotencyKey } = given;
    const apiKey = 'apiKey' in given ? given.apiKey : 'sk_test_1';
    return { method: 'POST', path: '/v1/billing/meter_events', query: '', body, apiKey, account, idempotencyKey };
  }

  arrive(given: EventOptions = {}): Visit {
    return this.simulator.arrive(this.eventCall(given), this.nowMs);
  }

  finish(visit: Visit): Answer {
    const answer = this.simulator.finish(visit, this.nowMs);
    this.simulator.leave(visit);
    return answer;
  }

  /** From arrival to answer; time passes as the call takes it. */
  run(call: Call): Answer {
    const visit = this.simulator.arrive(call, this.nowMs);
    this.nowMs += visit.waitMs;
    return this.finish(visit);
  }

  send(given: EventOptions = {}): Answer {
    return this.run(this.eventCall(given));
  }

  meet(kind: FaultKind): void {
    this.simulator.faults.add({ kind, rate: 1, delayMs: 5_000 });
  }
}

export function errorOf(answer: Answer): Record<string, unknown> {
  return (JSON.parse(answer.body) as { error: Record<string, unknown> }).error;
}
