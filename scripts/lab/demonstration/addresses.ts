import type { Cluster } from '../cluster/cluster.ts';
import { membersOf } from './health.ts';

/** What `--keep` says in the end: where everything is, and lines that make another shell's commands work on it. */
export function addresses(
  cluster: Cluster,
  { folder, external }: { readonly folder: string; readonly external: boolean },
): string {
  const { amqpUrl, redisUrl, stripeApiBase, stripeApiKey, namespace } = cluster;
  const members = membersOf(cluster).filter(({ exit }) => exit === undefined);
  // Private services were made for this run, password and all; those of the caller have theirs for themselves.
  const secrets = external ? {} : { AMQP_URL: amqpUrl, REDIS_URL: redisUrl, STRIPE_API_KEY: stripeApiKey };
  const environment = { ...secrets, STRIPE_API_BASE: stripeApiBase, TALLYMAN_NAMESPACE: namespace };
  const sidecar = members.find(({ kind }) => kind === 'publisher')?.url;
  return [
    'Everything runs on until Ctrl-C:',
    ...members.map(({ name, url }) => `  ${name.padEnd(18)} ${url}  (/metrics, /readyz)`),
    `  ${'ledger'.padEnd(18)} ${stripeApiBase}/_sim/ledger`,
    `  ${'logs'.padEnd(18)} ${folder}/*.log`,
    '',
    `Paste into another shell, in this folder${external ? ', beside your AMQP_URL, REDIS_URL and STRIPE_API_KEY' : ''}:`,
    ...Object.entries(environment).map(([name, value]) => `export ${name}='${value}'`),
    ...(sidecar === undefined ? [] : [sendOne(sidecar)]),
    'tallyman status',
    '',
  ].join('\n');
}

function sendOne(sidecar: string): string {
  const event = JSON.stringify({ id: 'req-1', customer: 'cus_demo000001', meter: 'api_calls', value: 3 });
  return `curl -i ${sidecar}/v1/events -H 'content-type: application/json' -d '${event}'`;
}
