import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

/** What a sidecar answered to a request that it has accepted. */
export interface Acceptance {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly unknown[];
}

export interface Delivery extends Acceptance {
  /** From the first try to the answer. */
  readonly tookMs: number;
  /** Tries that were not answered, or answered 503. */
  readonly retries: number;
}

export interface SenderOptions {
  readonly targets: readonly string[];
  /** Requests at a time, per sidecar. */
  readonly inFlight: number;
  readonly token: string | undefined;
}

const answerTimeoutMs = 45_000;
const retryBaseMs = 50;
const retryMaxMs = 1_000;

/**
 * Posts batches as a careful client does: a request that is not answered (the sidecar died, the connection broke) or
 * answered 503 is sent again with the same ids, to the next sidecar, until one says 202. Every other answer means that
 * the load breaks the contract, and rejects.
 */
export class Sender {
  readonly #pools: readonly Pool[];
  readonly #stopping: AbortSignal;
  readonly #headers: Record<string, string> = { 'content-type': 'application/json' };

  constructor({ targets, inFlight: connections, token }: SenderOptions, stopping: AbortSignal) {
    if (token !== undefined) this.#headers['authorization'] = `Bearer ${token}`;
    this.#pools = targets.map(
      (target) => new Pool(target, { connections, headersTimeout: answerTimeoutMs, bodyTimeout: answerTimeoutMs }),
    );
    this.#stopping = stopping;
  }

  async send(body: string, first: number): Promise<Delivery> {
    const startedAt = performance.now();
    for (let retries = 0; ; retries++) {
      this.#stopping.throwIfAborted();
      const answer = await this.#try(body, first + retries);
      if (answer !== undefined) return { ...answer, retries, tookMs: performance.now() - startedAt };
      const ceilingMs = Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(retries, 10));
      await sleep(ceilingMs * (0.5 + Math.random() / 2), undefined, { signal: this.#stopping });
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }

  /** Undefined: worth another try. */
  async #try(body: string, turn: number): Promise<Acceptance | undefined> {
    const pool = this.#pools[turn % this.#pools.length];
    if (pool === undefined) throw new Error('there is no sidecar to send to');
    let status: number;
    let text: string;
    try {
      const response = await pool.request({
        method: 'POST',
        path: '/v1/events',
        headers: this.#headers,
        body,
        signal: this.#stopping,
      });
      status = response.statusCode;
      text = await response.body.text();
    } catch (error) {
      this.#stopping.throwIfAborted();
      // Whatever broke below HTTP leaves the outcome open. The ids make the repetition harmless.
      if (error instanceof Error) return undefined;
      throw error;
    }
    if (status === 202) return readAcceptance(text);
    if (status === 503) return undefined;
    throw new Error(`a sidecar answered ${status} to valid events: ${text.slice(0, 500)}`);
  }
}

function readAcceptance(text: string): Acceptance {
  const answer: unknown = JSON.parse(text);
  if (typeof answer === 'object' && answer !== null && 'accepted' in answer && 'duplicates' in answer) {
    const { accepted, duplicates } = answer;
    const rejected = 'rejected' in answer && Array.isArray(answer.rejected) ? (answer.rejected as unknown[]) : [];
    if (typeof accepted === 'number' && typeof duplicates === 'number') return { accepted, duplicates, rejected };
  }
  throw new Error(`a sidecar answered 202 in a form that is not its contract: ${text.slice(0, 500)}`);
}
