/** One thread of the load: makes its part of the traffic, sends it and keeps its books. See load.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { enter, openBooks } from './books.ts';
import { Histogram } from './histogram.ts';
import type { Part, Progress, Report } from './part.ts';
import { Sender } from './sender.ts';
import { Traffic } from './traffic.ts';

const reportEveryMs = 200;
/** How many answered events are kept to be sent again. */
const knownMax = 1_000;

const part = workerData as Part;
const port = parentPort;
if (port === null) throw new Error('worker.ts is started by load.ts, as a thread');

const stopping = new AbortController();

const traffic = new Traffic(part.traffic);
const books = openBooks(part.traffic.customers);
const sender = new Sender(part, stopping.signal);
const latency = new Histogram();
const known: string[] = [];
const progress: { -readonly [K in keyof Progress]: Progress[K] } = { sent: 0, durable: 0, repeated: 0, retries: 0 };
let taken = 0;
/** How many events there will be: fewer than was planned once the load is told to end. */
let planned = part.events;
let turn = part.traffic.part.index;
const startedAt = performance.now();

/** Sends one request after the other until the part is through. */
async function sendInTurn(): Promise<void> {
  while (taken < planned) {
    const fresh = Math.min(part.batch, planned - taken);
    const dueAt = startedAt + (taken / part.ratePerS) * 1_000;
    taken += fresh;
    const waitMs = dueAt - performance.now();
    if (waitMs > 1) await sleep(waitMs, undefined, { signal: stopping.signal });

    const batch = traffic.next(fresh, Date.now(), known);
    progress.sent += fresh;
    const answer = await sender.send(batch.body, turn++);
    if (answer.rejected.length > 0 || answer.accepted + answer.duplicates !== batch.size) {
      const { accepted, duplicates, rejected } = answer;
      const counts = `accepted ${accepted}, duplicates ${duplicates}, rejected ${JSON.stringify(rejected).slice(0, 500)}`;
      throw new Error(`a sidecar answered 202 to ${batch.size} valid events, but: ${counts}`);
    }
    for (const event of batch.fresh) enter(books, event);
    remember(batch.texts);
    latency.record(answer.tookMs);
    progress.durable += fresh;
    progress.repeated += batch.size - fresh;
    progress.retries += answer.retries;
  }
}

function remember(texts: readonly string[]): void {
  const text = texts[Math.floor(Math.random() * texts.length)];
  if (text !== undefined) known[known.length < knownMax ? known.length : Math.floor(Math.random() * knownMax)] = text;
}

function report(message: Report): void {
  port?.postMessage(message);
}

// `load.end()`: there is only one message.
port.once('message', () => {
  planned = taken;
});
port.unref();

const reporting = setInterval(() => report({ kind: 'progress', progress: { ...progress } }), reportEveryMs);
try {
  await Promise.all(Array.from({ length: part.inFlight * part.targets.length }, sendInTurn));
  report({ kind: 'progress', progress: { ...progress } });
  report({ kind: 'finished', books, latency: latency.counts });
} finally {
  clearInterval(reporting);
  stopping.abort();
  await sender.close();
}
