import type { Patch } from '../../patch/patch.ts';

/**
 * The durable steps between an application's request and its bill, each with a name, and where in the product's code they are.
 * Product code carries nothing of this: failpoints.ts puts the calls in while it is loaded.
 *
 * `before` a request means: nothing of it has left; `after`: its answer is here, and nobody has been told of it yet.
 */
export type PointName = keyof typeof pointsByName;

export type Process = 'publisher' | 'consumer';
/** Who gives answers that can be lost on the way. */
export type Answering = 'broker' | 'redis' | 'provider' | 'publisher';

export interface Point {
  readonly process: Process;
  /** What has to happen for it to be reached. */
  readonly comesWith: Occasion;
  /** Whose answer is the next thing that crosses the network. */
  readonly awaits?: Answering;
  /** It can be reached only while the broker is away. */
  readonly withoutBroker?: true;
}

/**
 * usage: events are sent. outage: the publisher's broker is away. replay: it comes back. drain: the consumer is told to end.
 * takeover: another consumer leaves, and this one takes its shards.
 */
export type Occasion = 'usage' | 'outage' | 'replay' | 'drain' | 'takeover';

const pointsByName = {
  'publish-before': { process: 'publisher', comesWith: 'usage', awaits: 'broker' },
  'publish-after': { process: 'publisher', comesWith: 'usage' },
  confirm: { process: 'publisher', comesWith: 'usage' },
  'answer-before': { process: 'publisher', comesWith: 'usage', awaits: 'publisher' },
  'answer-after': { process: 'publisher', comesWith: 'usage' },
  'spool-write-before': { process: 'publisher', comesWith: 'outage', withoutBroker: true },
  'spool-write-after': { process: 'publisher', comesWith: 'outage', withoutBroker: true },
  'spool-sync-after': { process: 'publisher', comesWith: 'outage', withoutBroker: true },
  'spool-cursor-before': { process: 'publisher', comesWith: 'replay' },
  'spool-cursor-after': { process: 'publisher', comesWith: 'replay' },
  seal: { process: 'consumer', comesWith: 'usage' },
  'commit-before': { process: 'consumer', comesWith: 'usage', awaits: 'redis' },
  'commit-after': { process: 'consumer', comesWith: 'usage' },
  'mark-before': { process: 'consumer', comesWith: 'usage', awaits: 'redis' },
  'mark-after': { process: 'consumer', comesWith: 'usage' },
  'call-before': { process: 'consumer', comesWith: 'usage', awaits: 'provider' },
  'call-after': { process: 'consumer', comesWith: 'usage' },
  'progress-before': { process: 'consumer', comesWith: 'usage', awaits: 'redis' },
  'progress-after': { process: 'consumer', comesWith: 'usage' },
  'complete-before': { process: 'consumer', comesWith: 'usage', awaits: 'redis' },
  'complete-after': { process: 'consumer', comesWith: 'usage' },
  'ack-before': { process: 'consumer', comesWith: 'usage' },
  'ack-after': { process: 'consumer', comesWith: 'usage' },
  'renew-before': { process: 'consumer', comesWith: 'usage', awaits: 'redis' },
  'renew-after': { process: 'consumer', comesWith: 'usage' },
  'claim-before': { process: 'consumer', comesWith: 'takeover', awaits: 'redis' },
  'claim-after': { process: 'consumer', comesWith: 'takeover' },
  'load-head-before': { process: 'consumer', comesWith: 'takeover', awaits: 'redis' },
  'load-head-after': { process: 'consumer', comesWith: 'takeover' },
  'release-before': { process: 'consumer', comesWith: 'drain', awaits: 'redis' },
  'release-after': { process: 'consumer', comesWith: 'drain' },
} as const satisfies Readonly<Record<string, Point>>;

export const points: Readonly<Record<PointName, Point>> = pointsByName;
export const pointNames = Object.keys(pointsByName) as readonly PointName[];

const publishing = 'services/publisher/src/outbox/publishing-channel.ts';
const answer = 'services/publisher/src/intake/events.ts';
const spool = 'services/publisher/src/spool/disk.ts';
const runner = 'services/consumer/src/shard/runner.ts';
const channel = 'services/consumer/src/delivery/channel.ts';
const stripe = 'services/consumer/src/provider/stripe.ts';
const journal = 'shared/journal/redis-journal.ts';

/** amqplib writes what it is given in a turn of its own. */
const twoTurnsLater = (point: PointName): string => `setImmediate(() => setImmediate(() => ${reach(point)}));`;

export const pointPatches: readonly Patch[] = [
  {
    file: publishing,
    find: 'return channel.publish(this.#exchange, String(origin.slot), body, options, (error: unknown) => {',
    replace:
      `${reach('publish-before')}; ${twoTurnsLater('publish-after')}\n` +
      `return channel.publish(this.#exchange, String(origin.slot), body, options, (error: unknown) => { ${reach('confirm')};`,
  },
  around(answer, 'sendJson(response, status, { accepted: accepted.length, duplicates, rejected });', 'answer'),
  around(spool, 'await files.write(name, offset, Buffer.concat(records));', 'spool-write'),
  {
    file: spool,
    find: '  // A file without a name takes writes',
    replace: `${reach('spool-sync-after')};\n  // A file without a name takes writes`,
  },
  {
    file: spool,
    find: '  await files.write(cursorName, (cursor.turn % 2)',
    replace: `${reach('spool-cursor-before')};\n  await files.write(cursorName, (cursor.turn % 2)`,
  },
  {
    file: spool,
    find: "return { kind: 'saved' };",
    replace: `${reach('spool-cursor-after')}; return { kind: 'saved' };`,
  },
  {
    file: runner,
    find: 'return journal.commit(epoch, write.commit);',
    replace: `${reach('seal')}; return journal.commit(epoch, write.commit);`,
  },
  {
    file: stripe,
    find: 'return classify(await stripe.billing.meterEvents.create(event, options));',
    replace:
      `${reach('call-before')}; const answered = await stripe.billing.meterEvents.create(event, options);\n` +
      `${reach('call-after')}; return classify(answered);`,
  },
  {
    file: channel,
    find: 'this.#channel.ack(message as ConsumeMessage, true);',
    replace: `${reach('ack-before')}; this.#channel.ack(message as ConsumeMessage, true); ${twoTurnsLater('ack-after')}`,
  },
  {
    // Every script of the journal: `commit-before`, `commit-after` and so on.
    file: journal,
    find: 'return runScript(this.#redis, this.#scripts[name], keys, args);',
    replace:
      'globalThis.failpoint(`${name}-before`);\n' +
      'return runScript(this.#redis, this.#scripts[name], keys, args).then((reply) => {\n' +
      'globalThis.failpoint(`${name}-after`); return reply; });',
  },
];

function reach(point: PointName): string {
  return `globalThis.failpoint('${point}')`;
}

function around(file: string, find: string, step: 'answer' | 'spool-write'): Patch {
  return { file, find, replace: `${reach(`${step}-before`)}; ${find} ${reach(`${step}-after`)};` };
}
