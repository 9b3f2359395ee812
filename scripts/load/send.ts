/**
 * The load as a program of its own, for where it has to run beside a sidecar (a container, a pod): `send.ts EVENTS [RATE_PER_S]`
 * posts that many events to the sidecar on 127.0.0.1 as a careful client does, and prints a line of JSON per look: how far
 * it is, and at the end its books.
 */
import { startLoad } from './load.ts';
import type { SendLine } from './send-line.ts';

const [events = 0, ratePerS = 500] = process.argv.slice(2).map(Number);
const lookEveryMs = 500;

const load = startLoad({ targets: ['http://127.0.0.1:7070'], events, customers: 60, ratePerS, batch: 5 });
const print = (line: SendLine): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const looking = setInterval(() => print({ durable: load.progress.durable }), lookEveryMs);
const sent = await load.finished;
clearInterval(looking);
const owed = [...sent.owed()].map((one) => ({ ...one, units: String(one.units) }));
print({ durable: load.progress.durable, owed });
