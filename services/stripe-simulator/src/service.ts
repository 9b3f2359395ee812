import { type RunningHttp, startHttp } from '../../../shared/http/server.ts';
import type { Lifecycle, Service } from '../../../shared/lifecycle/lifecycle.ts';
import type { Logger } from '../../../shared/log/log.ts';
import { createRegistry } from '../../../shared/metrics/metrics.ts';
import type { SimulatorConfig } from './config.ts';
import { Control } from './http/control.ts';
import { StripeApi } from './http/stripe-api.ts';
import { registerMetrics } from './metrics.ts';
import { Simulator } from './rules/simulator.ts';

/**
 * The running simulator. Everything it knows is in memory: it ends with the process. Draining lets the calls in
 * progress be answered within the drain time; calls that never will be (fault `timeout`) are hung up on at its end.
 */
export class SimulatorService implements Service {
  readonly #config: SimulatorConfig;
  readonly #log: Logger;
  readonly #lifecycle: Pick<Lifecycle, 'state'>;
  #simulator: Simulator;
  #http: RunningHttp | undefined;

  constructor(
    config: SimulatorConfig,
    context: { readonly log: Logger; readonly lifecycle: Pick<Lifecycle, 'state'> },
  ) {
    this.#config = config;
    this.#log = context.log;
    this.#lifecycle = context.lifecycle;
    this.#simulator = new Simulator(config.simulator);
  }

  /** The port that was taken. */
  get port(): number {
    return this.#http?.port ?? 0;
  }

  async start(): Promise<void> {
    const simulator = (): Simulator => this.#simulator;
    const stripeApi = new StripeApi(simulator, Date.now);
    const reset = (): void => {
      this.#simulator = new Simulator(this.#config.simulator);
    };
    const control = new Control({ simulator, reset, now: Date.now, log: this.#log });
    const registry = createRegistry('stripe-simulator');
    registerMetrics(registry, simulator, () => stripeApi.inFlight);
    this.#http = await startHttp({
      config: this.#config.http,
      log: this.#log,
      registry,
      readiness: () => {
        const { state } = this.#lifecycle;
        return {
          ready: state === 'running',
          state,
          reasons: state === 'running' ? [] : [`The simulator is ${state}.`],
        };
      },
      handler: (request, response) => {
        if (request.url?.startsWith('/v1/') === true) stripeApi.handle(request, response);
        else return control.handle(request, response);
      },
    });
  }

  async stop(): Promise<void> {
    await this.#http?.stop(this.#config.drainMs);
  }
}
