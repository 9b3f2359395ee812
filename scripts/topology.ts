import { usageExchange } from '../shared/topology/names.ts';
import { type Declaration, declareTopology } from '../shared/topology/declare.ts';
import { reshard, type Resharded, type Stillness } from '../shared/topology/reshard.ts';
import { exitCodes, onBacking } from './backing.ts';

/**
 * `npm run topology`: declares exchange, queues and bindings, and the incarnation together with a new exchange only.
 * `npm run topology -- --reshard N`: changes the number of shards.
 */
const sentences: Readonly<Record<Declaration['before'], string>> = {
  nothing: 'Declared anew.',
  unfinished: 'Finished what an earlier run had begun.',
  complete: 'It was declared before; nothing had to change.',
  lost:
    'It was declared before, but the broker had lost it, and with it every message that it held: usage that was confirmed and ' +
    'not billed yet is gone. The incarnation is a new one. If it only was the wrong broker, correct AMQP_URL and run this again.',
};

async function topology(args: readonly string[]): Promise<number> {
  const [option, number, ...more] = args;
  if (option === undefined) {
    return onBacking(process.env, async (place) => {
      const declaration = await declareTopology(place);
      console.log(report(declaration, place.namespace));
      return exitCodes.done;
    });
  }
  if (option === '--reshard' && number !== undefined && /^\d+$/.test(number) && more.length === 0) {
    return changeShards(Number(number));
  }
  console.error(`npm run topology takes --reshard N or nothing, not ${JSON.stringify(args.join(' '))}.`);
  return exitCodes.usage;
}

function changeShards(to: number): Promise<number> {
  return onBacking(process.env, async (place) => {
    const interrupted = new AbortController();
    process.once('SIGINT', () => interrupted.abort());
    process.once('SIGTERM', () => interrupted.abort());
    const ended = await reshard(place, {
      to,
      waiting: (stillness) => console.log(wait(stillness)),
      signal: interrupted.signal,
    });
    console.log(reshardSentences[ended](to));
    return ended === 'interrupted' ? exitCodes.refused : exitCodes.done;
  });
}

const reshardSentences: Readonly<Record<Resharded, (to: number) => string>> = {
  done: (to) =>
    `The cluster has ${to} shards. Start the consumers with TALLYMAN_SHARDS=${to}; publishers go on by themselves.`,
  already: (to) => `The cluster has ${to} shards already; nothing had to change.`,
  interrupted: (to) =>
    'Interrupted. The cluster is still paused: publishers keep usage in their spools. ' +
    `Go on with npm run topology -- --reshard ${to}, or go back with npm run topology.`,
};

function wait({ ready, pending, consumers }: Stillness): string {
  const state = `Publishers are paused. ${ready} messages ready, ${pending} shards with a set pending, ${consumers} consumers.`;
  if (ready + pending > 0 && consumers === 0)
    return `${state} Start a consumer with the old number of shards: it settles them.`;
  if (ready + pending > 0) return `${state} Waiting until consumers have settled that.`;
  return `${state} Now stop the consumers (SIGTERM): each settles first what it holds.`;
}

function report({ topology, before, made }: Declaration, namespace: string): string {
  const { shards, slots, incarnation, createdAtMs } = topology;
  const repaired = before === 'complete' && made.length > 0;
  const sentence = repaired ? `Declared again what was missing: ${made.join(', ')}.` : sentences[before];
  return [
    `${usageExchange(namespace)}: ${slots.length} slots on ${shards} shard queue${shards === 1 ? '' : 's'}.`,
    `Incarnation ${incarnation}, made ${new Date(createdAtMs).toISOString()}.`,
    sentence,
  ].join('\n');
}

process.exitCode = await topology(process.argv.slice(2));
