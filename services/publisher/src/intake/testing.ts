import { Registry } from 'prom-client';
import { Secret } from '../../../../shared/config/secret.ts';
import { type HttpBounds, type Readiness, type RunningHttp, startHttp } from '../../../../shared/http/server.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { createMetrics } from '../metrics.ts';
import type { Outcome } from '../outbox/outbox.ts';
import type { PackedEvent } from '../outbox/packing.ts';
import type { Destination } from './admission.ts';
import { createIntake, type IntakeOptions } from './handler.ts';

/** For tests: every way in, on a listener as the service has it, with an outbox that does what it is told. */
export interface TestIntake {
  readonly port: number;
  readonly url: string;
  readonly registry: Registry;
  readonly outbox: TestOutbox;
  stop(): Promise<void>;
}

export class TestOutbox implements Destination {
  turnsAway: Destination['turnsAway'];
  /** What is answered at once; undefined: nothing until `settle`. */
  outcome: Outcome | undefined = 'durable';
  /** The events of each request, in turn. */
  readonly submitted: (readonly PackedEvent[])[] = [];
  readonly #waiting: ((outcome: Outcome) => void)[] = [];

  submit(events: readonly PackedEvent[], _receivedAtMs: number, answer: (outcome: Outcome) => void): void {
    this.submitted.push(events);
    if (this.outcome === undefined) this.#waiting.push(answer);
    else answer(this.outcome);
  }

  /** Answers the requests that wait. */
  settle(outcome: Outcome): void {
    for (const answer of this.#waiting.splice(0)) answer(outcome);
  }

  /** Every event that was submitted, as it stands in its message. */
  get events(): readonly Readonly<Record<string, unknown>>[] {
    return this.submitted.flat().map(({ text }) => JSON.parse(text) as Record<string, unknown>);
  }
}

export interface TestIntakeOptions extends Partial<Omit<IntakeOptions, 'outbox'>> {
  readonly token?: string;
  readonly bounds?: Partial<HttpBounds>;
  readonly readiness?: () => Readiness;
}

const ready: Readiness = { ready: true, state: 'running', reasons: [] };

export async function startIntake({
  token,
  bounds = {},
  readiness = () => ready,
  ...options
}: TestIntakeOptions = {}): Promise<TestIntake> {
  const registry = new Registry();
  const metrics = createMetrics(registry, () => ({ unconfirmedMessages: 0, heldBytes: 0, connected: true }));
  const outbox = new TestOutbox();
  const intake = createIntake({
    bodyBytesMax: 8 * 1024 ** 2,
    readingBytesMax: 64 * 1024 ** 2,
    requestEventsMax: 10_000,
    meters: undefined,
    payloadKeys: { customer: 'stripe_customer_id', value: 'value' },
    ...options,
    metrics,
    outbox,
  });
  const http: RunningHttp = await startHttp({
    config: {
      host: '127.0.0.1',
      port: 0,
      socket: undefined,
      token: token === undefined ? undefined : new Secret(token),
      admin: undefined,
    },
    log: createLog({ service: 'test', level: 'silent' }),
    registry,
    readiness,
    bounds,
    ...intake,
  });
  const url = `http://127.0.0.1:${http.port}`;
  return { port: http.port, url, registry, outbox, stop: () => http.stop(0) };
}
