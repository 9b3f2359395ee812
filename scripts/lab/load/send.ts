import { startLoad } from './load.ts';
import type { SendLine } from './send-line.ts';

import { main, positive, Program, whole } from '../../commands/program.ts';

const lookEveryMs = 500;

/** The load as a program of its own, for where it has to run beside a sidecar: a container, a pod. */
export function program(): Program {
  return new Program('node scripts/lab/load/send.ts')
    .description(
      'Posts usage events as a careful client does, with the bearer token of TALLYMAN_TOKEN if there is one, and prints a line of ' +
        'JSON twice a second: how far it is, and at the end its books.',
    )
    .argument('<EVENTS>', 'how many', whole(0))
    .argument('[RATE]', 'events per second', positive, 500)
    .argument('[TARGET]', 'the sidecar', 'http://127.0.0.1:7070')
    .examples('node scripts/lab/load/send.ts 1000')
    .runs(send);
}

async function send(
  _options: object,
  [events, ratePerS = '500', target = 'http://127.0.0.1:7070']: readonly string[],
): Promise<number> {
  const { TALLYMAN_TOKEN: token } = process.env;
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
  return 0;
}

if (import.meta.main) await main(program());
