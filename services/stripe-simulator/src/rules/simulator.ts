import { type Account, Accounts } from './accounts.ts';
import * as answers from './answers.ts';
import { type Answer, isAnswer } from './answers.ts';
import { adjustmentObject, readAdjustment } from './adjustment.ts';
import { type Call, deliveryOf, type Execution, type Request, type Visit } from './call.ts';
import { type Endpoint, endpointOf } from './endpoints.ts';
import { type Caller, type Fault, type FaultKind, Faults } from './faults.ts';
import { type Form, parseForm } from './form.ts';
import { IdempotencyKeys, idempotencyKeyMax, keyOf } from './idempotency.ts';
import { laneOf, Lanes, type Waiting } from './lanes.ts';
import { drawLatencyMs, type Latency } from './latency.ts';
import { Ledger } from './ledger.ts';
import { Memory } from './memory.ts';
import { judgeMeterEvent, type MeterEventRequest, readMeterEvent } from './meter-event.ts';
import type { MeterDefinition } from './meter-definition.ts';
import { type Random, randomId, seededRandom } from './random.ts';
import { SlidingWindow } from './sliding-window.ts';
import { Summaries } from './summaries.ts';
import { World } from './world.ts';

export interface SimulatorOptions {
  readonly seed: number;
  readonly limits: Limits;
  readonly faults: readonly Fault[];
  /** Meters that every account has from the start. */
  readonly meters: readonly MeterDefinition[];
  readonly identifiersMax: number;
  readonly idempotencyKeysMax: number;
  /** How long a meter event takes to show in summaries. */
  readonly summaryLagMs: number;
}

export interface Limits {
  /** Meter events of the platform account, calls per second. */
  readonly ratePerS: number;
  /** Everything else, and everything of a connected account, calls per second and account. */
  readonly basicRatePerS: number;
  readonly latency: Latency;
}

const dayMs = 86_400_000;
/** A second call at once is answered no sooner: until then it shows whether the client of either has gone. */
const proofMs = 250;

/**
 * Stripe's meter API as a state machine: calls and times go in, answers come out. No clock and no sockets, and all
 * chance comes from one seed. The shell that serves it is in `../http`.
 *
 *     arrive ─┬▶ answered at once: 401, 403, 404, 429, malformed, replay, 409 (nothing is saved, nothing counted)
 *             └▶ executing for `waitMs` ─▶ finish: counted or refused, and saved under the idempotency key
 *     leave, at any time: the answer is written or the client has gone; what executes goes on without it
 *
 * Guarantees: an identifier counts at most once in 24 hours; one call of an account, customer and meter executes at a
 * time; in no sliding second more calls are let through than the limit; the ledger is exact.
 */
export class Simulator {
  readonly ledger = new Ledger();
  readonly world = new World();
  readonly faults: Faults;
  readonly faultsMet = new Map<FaultKind, number>();
  readonly answered = new Map<number, number>();
  limits: Limits;
  readonly #accounts: Accounts;
  readonly #identifiers: Memory;
  readonly #idempotencyKeys: IdempotencyKeys;
  readonly #lanes = new Lanes();
  readonly #eventArrivals = new SlidingWindow(1_000);
  readonly #latencies: Random;
  readonly #ids: Random;
  readonly #objectIds: Random;
  readonly #summaries: Summaries;

  constructor(options: SimulatorOptions) {
    const { seed, limits, faults, meters, identifiersMax, idempotencyKeysMax, summaryLagMs } = options;
    this.limits = limits;
    this.#objectIds = seededRandom(seed, 'objects');
    this.#summaries = new Summaries(summaryLagMs);
    this.faults = new Faults(faults, seededRandom(seed, 'faults'));
    this.#latencies = seededRandom(seed, 'latencies');
    this.#ids = seededRandom(seed, 'ids');
    const meterIds = seededRandom(seed, 'meters');
    const newMeterId = (): string => randomId(meterIds, 'mtr_test_', 24);
    this.#accounts = new Accounts({ world: this.world, meters, newMeterId });
    this.#identifiers = new Memory({ lifetimeMs: dayMs, entriesMax: identifiersMax });
    this.#idempotencyKeys = new IdempotencyKeys(idempotencyKeysMax);
  }

  get remembered(): {
    readonly identifiers: number;
    readonly idempotencyKeys: number;
    readonly forgottenEarly: number;
  } {
    return {
      identifiers: this.#identifiers.size,
      idempotencyKeys: this.#idempotencyKeys.size,
      forgottenEarly: this.#identifiers.forgottenEarly,
    };
  }

  arrive(call: Call, nowMs: number): Visit {
    const endpoint = endpointOf(call.method, call.path);
    if (endpoint?.name === 'create-meter-event') this.#noteArrival(nowMs);
    const account = this.#identify(call, nowMs);
    if (isAnswer(account)) return this.#visit(account, undefined, undefined);
    if (endpoint === undefined)
      return this.#visit(answers.unrecognizedUrl(call.method, call.path), undefined, undefined);

    const request = understand(call, account, endpoint);
    const place = isAnswer(request) ? undefined : placeOf(request);
    const waiting = place === undefined ? undefined : this.#lanes.wait(place.lane);
    const fault = this.#meetFault({ customer: place?.customer, account: account.name, endpoint: endpoint.name }, nowMs);
    const refusal = this.#refuseBeforeReading(account, endpoint, fault, nowMs);
    if (refusal !== undefined) return this.#visit(refusal, fault, waiting);
    if (isAnswer(request)) {
      if (endpoint.name === 'create-meter-event') this.ledger.counts.refused += 1;
      return this.#visit(request, fault, undefined);
    }
    return this.#visit(this.#begin(request, place?.lane, fault, nowMs), fault, waiting);
  }

  /** To be called once, `waitMs` after the arrival. */
  finish(visit: Visit, nowMs: number): Answer {
    const { outcome, requestId, waiting } = visit;
    if (waiting !== undefined && this.#lanes.answer(waiting)) this.ledger.counts.concurrencyViolations += 1;
    const answer = isAnswer(outcome) ? outcome : this.#execute(outcome, requestId, nowMs);
    this.answered.set(answer.status, (this.answered.get(answer.status) ?? 0) + 1);
    if (answer.status === 429) this.ledger.counts.throttled += 1;
    return answer;
  }

  /** The client waits no longer: call this once it is finished, before the answer is written, or when its connection closes. */
  leave({ waiting }: Visit): void {
    if (waiting !== undefined) this.#lanes.leave(waiting);
  }

  #noteArrival(nowMs: number): void {
    const { counts } = this.ledger;
    counts.calls += 1;
    counts.peakPerSecond = Math.max(counts.peakPerSecond, this.#eventArrivals.add(nowMs));
  }

  #identify({ apiKey, account: name = '' }: Call, nowMs: number): Account | Answer {
    if (apiKey === undefined || apiKey === '') return answers.noKey();
    if (this.world.isRevokedKey(apiKey)) return answers.revokedKey();
    return this.#accounts.get(name, seconds(nowMs)) ?? answers.noAccount(name);
  }

  #meetFault(caller: Caller, nowMs: number): Fault | undefined {
    const fault = this.faults.draw(caller, nowMs);
    if (fault !== undefined) this.faultsMet.set(fault.kind, (this.faultsMet.get(fault.kind) ?? 0) + 1);
    return fault;
  }

  /** What stands before Stripe's endpoints: the network, proxies, the limiter. */
  #refuseBeforeReading(
    account: Account,
    endpoint: Endpoint,
    fault: Fault | undefined,
    nowMs: number,
  ): Answer | undefined {
    // A reset before reading has no answer; what is said here is never delivered.
    if (fault?.kind === 'proxy' || fault?.kind === 'reset') return answers.badGateway();
    if (fault?.kind === 'throttle') return answers.tooManyRequests(fault.reason ?? 'global-rate');
    const isEvent = endpoint.name === 'create-meter-event' && account.name === '';
    const calls = isEvent ? account.eventCalls : account.basicCalls;
    const limit = isEvent ? this.limits.ratePerS : this.limits.basicRatePerS;
    if (calls.count(nowMs) >= limit) return answers.tooManyRequests(isEvent ? 'endpoint-rate' : 'global-rate');
    calls.add(nowMs);
    return undefined;
  }

  #begin(request: Request, lane: string | undefined, fault: Fault | undefined, nowMs: number): Answer | Execution {
    const key = keyOf(request.call);
    if (key !== undefined) {
      const answer = this.#idempotencyKeys.answerFor(key, request.call, nowMs);
      if (answer !== undefined) return answer;
    }
    if (lane !== undefined && this.#lanes.isExecuting(lane)) {
      this.ledger.counts.conflicts += 1;
      return answers.laneBusy();
    }
    if (fault?.kind === 'lock-timeout') return answers.lockTimeout();
    if (key !== undefined) this.#idempotencyKeys.begin(key);
    if (lane !== undefined) this.#lanes.begin(lane);
    return { request, key, lane, fault };
  }

  #execute({ request, key, lane, fault }: Execution, requestId: string, nowMs: number): Answer {
    const done = fault?.kind === 'error' ? answers.serverError() : this.#run(request, nowMs);
    const answer = fault?.kind === 'error-after' ? answers.serverError() : done;
    if (lane !== undefined) this.#lanes.end(lane);
    if (key !== undefined) this.#idempotencyKeys.end(key, request.call, answer, requestId, nowMs);
    return answer;
  }

  #run(request: Request, nowMs: number): Answer {
    const { call, account } = request;
    const livemode = /^[sr]k_live_/.test(call.apiKey ?? '');
    if ('event' in request) return this.#countEvent(account, request.event, livemode, nowMs);
    const { meters } = account;
    const { endpoint } = request;
    const nowS = seconds(nowMs);
    switch (endpoint.name) {
      case 'list-meters':
        return meters.list(request.params, livemode);
      case 'create-meter':
        return meters.create(request.params, nowS, livemode);
      case 'retrieve-meter':
        return meters.retrieve(endpoint.id, livemode);
      case 'deactivate-meter':
        return meters.setActive(endpoint.id, false, nowS, livemode);
      case 'reactivate-meter':
        return meters.setActive(endpoint.id, true, nowS, livemode);
      case 'update-meter':
        return meters.update(endpoint.id, request.params, nowS, livemode);
      case 'list-summaries':
        return this.#summarise(account, endpoint.id, request.params, livemode, nowMs);
      case 'create-adjustment':
        return this.#adjust(account, request.params, livemode, nowMs);
      case 'billing-object': {
        const newId = (prefix: string): string => randomId(this.#objectIds, `${prefix}sim`, 14);
        return account.billing.run(endpoint, request.params, { nowS, livemode, newId });
      }
    }
  }

  #countEvent(account: Account, event: MeterEventRequest, livemode: boolean, nowMs: number): Answer {
    const judged = judgeMeterEvent(event, account.meters, this.world, seconds(nowMs));
    if (isAnswer(judged)) {
      this.ledger.counts.refused += 1;
      return judged;
    }
    const identifier = event.identifier ?? randomId(this.#ids, 'sim_', 32);
    const scoped = `${account.name}\0${identifier}`;
    if (this.#identifiers.get(scoped, nowMs) !== undefined) {
      this.ledger.counts.duplicates += 1;
      return answers.duplicateIdentifier(identifier);
    }
    this.#identifiers.set(scoped, '', nowMs);
    const lane = this.ledger.count(account.name, judged, identifier, nowMs);
    this.#summaries.add(lane, judged, 1, nowMs);
    return answers.success({
      object: 'billing.meter_event',
      created: seconds(nowMs),
      event_name: event.eventName,
      identifier,
      livemode,
      payload: event.payload,
      timestamp: judged.timestampS,
    });
  }

  #summarise({ name, meters }: Account, id: string, params: Form, livemode: boolean, nowMs: number): Answer {
    const meter = meters.find(id);
    if (meter === undefined) return answers.noSuch('meter', id, 'id');
    return this.#summaries.list((customer) => laneOf(name, customer, meter), meter, params, livemode, nowMs);
  }

  #adjust({ name }: Account, params: Form, livemode: boolean, nowMs: number): Answer {
    const adjustment = readAdjustment(params);
    if (isAnswer(adjustment)) return adjustment;
    const cancelled = this.ledger.cancel(name, adjustment.eventName, adjustment.identifier, nowMs);
    if ('fault' in cancelled) return answers.invalid(cancelled.fault, { param: 'cancel[identifier]' });
    this.#summaries.add(laneOf(name, cancelled.customer, cancelled.meter), cancelled, -1, nowMs);
    return answers.success(adjustmentObject(adjustment, livemode));
  }

  #visit(outcome: Answer | Execution, fault: Fault | undefined, waiting: Waiting | undefined): Visit {
    const latencyMs = isAnswer(outcome) ? 0 : drawLatencyMs(this.limits.latency, this.#latencies);
    const ownMs = latencyMs + (fault?.kind === 'slow' ? fault.delayMs : 0);
    const waitMs = waiting === undefined || waiting.rivals.length === 0 ? ownMs : Math.max(ownMs, proofMs);
    return { requestId: randomId(this.#ids, 'req_', 14), waitMs, delivery: deliveryOf(fault), outcome, waiting };
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}

/** Reads the parameters; a refusal is a malformed request. */
function understand(call: Call, account: Account, endpoint: Endpoint): Request | Answer {
  if ((call.idempotencyKey ?? '').length > idempotencyKeyMax) {
    return answers.invalid(`An idempotency key has at most ${idempotencyKeyMax} characters.`);
  }
  const params = parseForm(call.method === 'GET' ? call.query : call.body);
  if (params === undefined) return answers.invalid('The parameters are not form-encoded, or nested too deeply.');
  if (endpoint.name !== 'create-meter-event') return { call, account, endpoint, params };
  const event = readMeterEvent(params);
  return isAnswer(event) ? event : { call, account, endpoint, event };
}

/** Whose call it is. Without a meter or a customer it is nobody's, and will be refused. */
function placeOf(request: Request): { readonly lane: string; readonly customer: string } | undefined {
  if (!('event' in request)) return undefined;
  const { name, meters } = request.account;
  const { eventName, payload } = request.event;
  const meter = meters.forEvent(eventName);
  const customer = meter === undefined ? undefined : payload[meter.customerKey];
  return meter === undefined || customer === undefined ? undefined : { lane: laneOf(name, customer, meter), customer };
}
