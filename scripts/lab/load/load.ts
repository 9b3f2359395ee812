import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { type Books, type Owed, owed } from './books.ts';
import { Histogram } from './histogram.ts';
import type { Part, Progress, Report } from './part.ts';

export interface LoadOptions {
  /** Addresses of sidecars; requests go to them in turn. */
  readonly targets: readonly string[];
  readonly events: number;
  readonly customers: number;
  /** Default: no limit but the answers. */
  readonly ratePerS?: number;
  /** Events per request. */
  readonly batch?: number;
  /** Requests at a time, per thread and sidecar. */
  readonly inFlight?: number;
  readonly threads?: number;
  readonly seed?: number;
  /** Of sidecars that listen where others could post. */
  readonly token?: string;
}

/** A load that is being sent by threads of its own. */
export interface Load {
  readonly progress: Progress;
  /** Resolves when every event has been answered 202; rejects when a sidecar breaks its contract, or after `stop`. */
  readonly finished: Promise<Sent>;
  /** Begins no further request; what is under way is sent to its end, and `finished` resolves with what was sent until then. */
  end(): void;
  /** Ends the threads at once. */
  stop(): Promise<void>;
}

/** What was answered 202. */
export interface Sent {
  readonly owed: () => Iterable<Owed>;
  /** From a request's first try to its 202. */
  readonly latency: Histogram;
}

const nothing: Progress = { sent: 0, durable: 0, repeated: 0, retries: 0 };

export function startLoad(options: LoadOptions): Load {
  const threads = Math.min(options.threads ?? 1, options.customers);
  const run = randomBytes(4).toString('hex');
  const parts = Array.from({ length: threads }, (_, index) => partOf(options, run, { index, of: threads }));
  const progress = parts.map(() => nothing);
  const workers = parts.map((part) => new Worker(new URL('./worker.ts', import.meta.url), { workerData: part }));
  const results = workers.map(
    (worker, index) =>
      new Promise<{ books: Books; latency: Float64Array }>((resolve, reject) => {
        worker.on('message', (report: Report) => {
          if (report.kind === 'progress') progress[index] = report.progress;
          else resolve(report);
        });
        worker.once('error', reject);
        worker.once('exit', () => reject(new Error('the load was stopped before its end')));
      }),
  );

  async function stop(): Promise<void> {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  async function finish(): Promise<Sent> {
    try {
      const parts = await Promise.all(results);
      const latency = new Histogram();
      for (const part of parts) latency.add(new Histogram(part.latency));
      return { owed: () => owed(parts.map(({ books }) => books)), latency };
    } finally {
      await stop();
    }
  }
  return {
    get progress() {
      return progress.reduce(add, nothing);
    },
    finished: finish(),
    end() {
      for (const worker of workers) worker.postMessage('end', []);
    },
    stop,
  };
}

function partOf(options: LoadOptions, run: string, part: { readonly index: number; readonly of: number }): Part {
  const { targets, events, customers, batch = 100, inFlight = 16, ratePerS = Infinity, seed = 1, token } = options;
  return {
    traffic: { seed, run, customers, events, part, startMs: Date.now() },
    targets,
    events: Math.floor(events / part.of) + (part.index < events % part.of ? 1 : 0),
    batch,
    inFlight,
    ratePerS: ratePerS / part.of,
    token,
  };
}

function add(left: Progress, right: Progress): Progress {
  return {
    sent: left.sent + right.sent,
    durable: left.durable + right.durable,
    repeated: left.repeated + right.repeated,
    retries: left.retries + right.retries,
  };
}
