#!/usr/bin/env node
/** The one command line of what operators run. What a command needs is loaded once it runs: completion and help are quick. */
import complete from '@bomb.sh/tab/commander';
import { accessCommand } from './access.ts';
import { entriesCommand } from './entries.ts';
import { metersCommand } from './meters.ts';
import { main, Program } from './program.ts';
import { provisionCommand } from './provision.ts';
import { recoverCommand } from './recover.ts';
import { spoolCommand } from './spool.ts';
import { statusCommand } from './status.ts';
import { topologyCommand } from './topology.ts';

export function program(): Program {
  const tallyman = new Program('tallyman').description(
    'Runs a Tallyman cluster: declares it, looks at it, and decides what people have to decide.',
  );
  for (const command of [
    statusCommand(),
    provisionCommand(),
    topologyCommand(),
    metersCommand(),
    entriesCommand(),
    spoolCommand(),
    recoverCommand(),
    accessCommand(),
  ]) {
    tallyman.addCommand(command);
  }
  tallyman.examples('tallyman status', 'tallyman entries --help', 'source <(tallyman completion bash)');
  complete(tallyman, { completionCommandName: 'completion' });
  for (const command of tallyman.commands) {
    if (command instanceof Program && command.name() === 'completion')
      command
        .description('Prints the completion for a shell. The shell then asks tallyman, which has to be on PATH.')
        .examples('source <(tallyman completion bash)', 'tallyman completion fish | source');
  }
  return tallyman;
}

if (import.meta.main) await main(program());
