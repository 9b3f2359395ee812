import { Option } from 'commander';
import { formatOf, type JournalFormat } from '../../shared/journal/format.ts';
import { maxShards } from '../../shared/topology/slots.ts';
import { Program, valueOf, whole } from './program.ts';

export interface TopologyOptions {
  readonly reshard?: number;
  readonly journalFormat?: JournalFormat;
  readonly json?: boolean;
}

export function topologyCommand(): Program {
  return new Program('topology')
    .description(
      'Declares the exchange, the queues and the bindings, and the incarnation together with a new exchange only. ' +
        'Running it again changes nothing.',
    )
    .addOption(
      new Option('--reshard <N>', 'change the number of shards')
        .argParser(whole(1, maxShards))
        .conflicts('journalFormat'),
    )
    .option(
      '--journal-format <N>',
      'have the cluster write journals in this format at once',
      valueOf('1 or 2', formatOf),
    )
    .option('--json', 'print one JSON object')
    .settings(['AMQP_URL', 'REDIS_URL'], ['TALLYMAN_NAMESPACE', 'TALLYMAN_SHARDS'])
    .examples('tallyman topology', 'tallyman topology --reshard 32', 'tallyman topology --journal-format 2')
    .runs<TopologyOptions>(async (options) => {
      const { topology } = await import('./topology/run.ts');
      return topology(options);
    });
}
