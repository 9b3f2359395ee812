/**
 * The load as a program of its own, for where it has to run beside a sidecar (a container, a pod):
 * `send.ts EVENTS [RATE_PER_S [TARGET]]` posts that many events as a careful client does, to the sidecar on 127.0.0.1 or to
 * TARGET (with the bearer token of TALLYMAN_TOKEN), and prints a line of JSON per look: how far it is, and at the end its books.
 */
import { startLoad } from './load.ts';
import type { SendLine } from './send-line.ts';

const [events = '0', ratePerS = '500', target = 'http://127.0.0.1:7070'] = process.argv.slice(2);
const { TALLYMAN_TOKEN: token } = process.env;
const lookEveryMs = 500;

const load = startLoad({
  targets: [target],
  events: Number(events),
  customers: 60,
  ratePerS: Number(ratePerS),
  batch: 5,
  ...(token === undefined ? {} : { token }),
});
const print = (line: SendLine): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const looking = setInterval(() => print({ durable: load.progress.durable }), lookEveryMs);
const sent = await load.finished;
clearInterval(looking);
const owed = [...sent.owed()].map((one) => ({ ...one, units: String(one.units) }));
print({ durable: load.progress.durable, owed });
