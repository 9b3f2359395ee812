/** `./scripts/chaos`. What it does stands in options.ts and in scripts/proof/README.md. */
import { once } from 'node:events';
import { main, type Program } from '../../commands/program.ts';
import { listCases, runCases } from './enumeration.ts';
import { type Ground, openGround } from './ground.ts';
import { type ChaosOptions, chaosProgram } from './options.ts';
import { runSoak } from './soak/soak.ts';
import { measureTakeovers } from './soak/takeovers.ts';

/** What goes wrong once everything is being ended is nothing to tell. */
let isEnding = false;

const exitCodes = { exact: 0, failed: 1, interrupted: 130, terminated: 143 } as const;

export function program(): Program {
  return chaosProgram(chaos, Date.now());
}

/** Runs to the end or to the first Ctrl-C, and leaves nothing behind either way. */
async function chaos(options: ChaosOptions): Promise<number> {
  if (options.mode === 'list') {
    say(listCases());
    return exitCodes.exact;
  }
  const interrupted = nextSignal().then((code) => {
    say('ending everything that was started ...');
    isEnding = true;
    return code;
  });
  say('starting broker, Redis and a simulated Stripe ...');
  const ground = await openGround();
  try {
    return await Promise.race([run(ground, options), interrupted]);
  } finally {
    await ground.close();
  }
}

async function run(ground: Ground, options: Exclude<ChaosOptions, { readonly mode: 'list' }>): Promise<number> {
  say(`${{ lavinmq: 'LavinMQ', rabbitmq: 'RabbitMQ' }[ground.broker.kind]}, Redis with appendfsync always`);
  const isExact = await start(ground, options);
  return isExact ? exitCodes.exact : exitCodes.failed;
}

function start(ground: Ground, options: Exclude<ChaosOptions, { readonly mode: 'list' }>): Promise<boolean> {
  switch (options.mode) {
    case 'cases':
      return runCases(ground, options, say);
    case 'soak':
      return runSoak(ground, options, say);
    case 'takeovers':
      return measureTakeovers(ground, options.rounds, say);
  }
}

function nextSignal(): Promise<number> {
  return Promise.race([
    once(process, 'SIGINT').then(() => exitCodes.interrupted),
    once(process, 'SIGTERM').then(() => exitCodes.terminated),
  ]);
}

function say(text: string): void {
  if (isEnding) return;
  process.stdout.write(`${text}\n`);
}

if (import.meta.main) {
  // Imported only then: the client is large.
  const onPods = process.argv.includes('--kubernetes') ? await import('../../lab/chaos-kubernetes/main.ts') : undefined;
  await main((onPods ?? { program }).program(), 'Chaos could not be caused');
}
