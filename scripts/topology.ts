import { usageExchange } from '../shared/topology/names.ts';
import { type Declaration, declareTopology } from '../shared/topology/declare.ts';
import { exitCodes, onBacking } from './backing.ts';

/** `npm run topology`: declares exchange, queues and bindings, and the incarnation together with a new exchange only. */
const resharding = `Another number of shards is not supported yet, and nothing was changed.
When it is, it will want: publishers paused, every shard queue empty, no flush set pending, and the cursors and event ids
of the moved slots copied before publishers start again. Without that, usage could be counted twice or not at all.
Until then the number of shards stays what it was declared with.`;

const sentences: Readonly<Record<Declaration['before'], string>> = {
  nothing: 'Declared anew.',
  unfinished: 'Finished what an earlier run had begun.',
  complete: 'It was declared before; nothing had to change.',
  lost:
    'It was declared before, but the broker had lost it, and with it every message that it held: usage that was confirmed and ' +
    'not billed yet is gone. The incarnation is a new one. If it only was the wrong broker, correct AMQP_URL and run this again.',
};

async function topology(args: readonly string[]): Promise<number> {
  if (args.includes('--reshard')) {
    console.error(resharding);
    return exitCodes.refused;
  }
  if (args.length > 0) {
    console.error(`npm run topology takes no argument ${JSON.stringify(args[0])}.`);
    return exitCodes.usage;
  }
  return onBacking(process.env, async (place) => {
    const declaration = await declareTopology(place);
    console.log(report(declaration, place.namespace));
    return exitCodes.done;
  });
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
