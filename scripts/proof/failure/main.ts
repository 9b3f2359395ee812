/** `./scripts/chaos`. What it does stands in options.ts (the usage) and in scripts/proof/README.md. */
import { once } from 'node:events';
import { listCases, runCases } from './enumeration.ts';
import { type Ground, openGround } from './ground.ts';
import { type ChaosOptions, parseOptions, usage, UsageError } from './options.ts';
import { runSoak } from './soak/soak.ts';
import { measureTakeovers } from './soak/takeovers.ts';

/** What goes wrong once everything is being ended is nothing to tell. */
let isEnding = false;

const exitCodes = { exact: 0, failed: 1, usage: 64, interrupted: 130, terminated: 143 } as const;

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const isUsage = error instanceof UsageError;
  process.stderr.write(
    isUsage ? `${message}\nSee ./scripts/chaos --help.\n` : `Chaos could not be caused: ${message}\n`,
  );
  process.exit(isUsage ? exitCodes.usage : exitCodes.failed);
}

/** Runs to the end or to the first Ctrl-C, and leaves nothing behind either way. */
async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--kubernetes')) {
    // Imported only then: the client is large.
    const { chaosOnKubernetes } = await import('../../lab/chaos-kubernetes/main.ts');
    return chaosOnKubernetes(args.filter((arg) => arg !== '--kubernetes'));
  }
  const options = parseOptions(args, Date.now());
  if (options === 'help') {
    say(usage);
    return exitCodes.exact;
  }
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
