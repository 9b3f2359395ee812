import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import Stripe from 'stripe';
import { ConfigError, readSettings } from '../../../shared/config/config.ts';
import { settings } from '../../../shared/config/settings.ts';
import { stripeKeyFault } from '../../../shared/config/stripe-key.ts';
import { exitCodes } from '../program.ts';
import type { ProvisionOptions } from '../provision.ts';
import { carryOut, type Ids, idsOf } from './carry-out.ts';
import { FileError, parseFile, type Wanted } from '../../../shared/provision/file.ts';
import { look } from './found.ts';
import { type Plan, planOf, stepText } from './plan.ts';

/** Meters, products, prices, customers and subscriptions at Stripe, as a file says. */
export async function provision(options: ProvisionOptions): Promise<number> {
  let wanted;
  let client;
  try {
    wanted = parseFile(readFileSync(options.file, 'utf8'));
    client = connect(options.live === true);
  } catch (error) {
    return refuse(error, options.file);
  }
  if (typeof client === 'number') return client;
  try {
    return await bringAbout(client, wanted, options);
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    console.error(
      `Stripe answered: ${error.message}\nWhat was done before stays. Correct what it says, and run this again: it goes on from there.`,
    );
    return exitCodes.unavailable;
  }
}

function refuse(error: unknown, file: string): number {
  if (error instanceof FileError) {
    console.error(`${file} cannot be used, and nothing was changed:`);
    for (const fault of error.faults) console.error(`  - ${fault}`);
    return exitCodes.config;
  }
  if (error instanceof ConfigError) {
    console.error(error.report('tallyman provision'));
    return exitCodes.config;
  }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    console.error(`${file} cannot be read: ${error.message}.`);
    return exitCodes.usage;
  }
  throw error;
}

function connect(isLiveAllowed: boolean): Stripe | number {
  const { stripeApiKey, stripeApiBase } = settings;
  const config = readSettings('scripts', process.env, { key: stripeApiKey, base: stripeApiBase })
    .rule(['key', 'base'], ({ key, base }) => stripeKeyFault(key, base))
    .values();
  const { protocol, hostname, port } = new URL(config.base);
  const key = config.key.reveal();
  const isLive = /^[sr]k_live_/.test(key);
  if (isLive && !isLiveAllowed) {
    console.error('STRIPE_API_KEY is a key of live mode: customers would really pay. Say --live if that is meant.');
    return exitCodes.refused;
  }
  console.log(`${config.base}, ${isLive ? 'live mode' : 'test mode'}`);
  return new Stripe(key, {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port),
    protocol: protocol === 'http:' ? 'http' : 'https',
    telemetry: false,
  });
}

async function bringAbout(stripe: Stripe, wanted: Wanted, { dryRun, yes }: ProvisionOptions): Promise<number> {
  const found = await look(stripe, wanted);
  const plan = planOf(wanted, found);
  console.log(textOf(plan));
  if (plan.faults.length > 0) {
    console.error(`${plan.faults.join('\n')}\nNothing was changed.`);
    return exitCodes.refused;
  }
  const ids = idsOf(wanted, found);
  if (plan.steps.length === 0) {
    console.log('Everything is as the file says.');
    console.log(nextSteps(wanted, ids));
    return exitCodes.done;
  }
  if (dryRun === true) {
    console.log('Nothing was changed.');
    return exitCodes.done;
  }
  if (yes !== true && !(await isAgreed(plan.steps.length))) {
    console.error('Nothing was changed. To do it: --yes.');
    return exitCodes.refused;
  }
  for (const step of plan.steps)
    console.log(`  done: ${stepText(step).slice(2)} → ${await carryOut(stripe, step, ids)}`);
  console.log(nextSteps(wanted, ids));
  return exitCodes.done;
}

function textOf({ steps, kept, notes }: Plan): string {
  return [...kept.map((what) => `  = ${what}`), ...steps.map((step) => `  ${stepText(step)}`), ...notes].join('\n');
}

async function isAgreed(steps: number): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await prompt.question(`Do these ${steps} things? [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}

/** What a newcomer does next. */
function nextSteps({ meters, customers }: Wanted, ids: Ids): string {
  const [customer] = customers;
  const id = customer === undefined ? undefined : ids.customers.get(customer);
  const meter = customer?.meters[0] ?? meters[0]?.eventName ?? '';
  if (id === undefined)
    return 'Consumers know new meters within a minute, or as soon as usage for one comes; tallyman meters --read tells them at once.';
  const event = JSON.stringify({ id: 'first', customer: id, meter, value: 1 });
  return `A first event, to a sidecar:\n  curl -i http://127.0.0.1:7070/v1/events -H 'content-type: application/json' -d '${event}'`;
}
