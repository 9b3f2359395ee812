import { Program } from './program.ts';

export function spoolCommand(): Program {
  const program = new Program('spool')
    .description("Handles a sidecar's spool: usage on disk that the broker does not have yet.")
    .examples('tallyman spool inspect /var/lib/tallyman/spool', 'tallyman spool drain /var/lib/tallyman/spool');
  program
    .command('inspect')
    .description('Says what is in a spool. Changes nothing.')
    .argument('<DIR>', 'the folder of the spool')
    .option('--json', 'print one JSON object')
    .examples('tallyman spool inspect /var/lib/tallyman/spool')
    .runs<{ json?: boolean }>(async ({ json = false }, [folder = '']) => (await running()).inspect(folder, json));
  program
    .command('drain')
    .description('Publishes a spool to the broker, oldest first, for a sidecar that does not come back.')
    .argument('<DIR>', 'the folder of the spool')
    .settings(['AMQP_URL'], ['TALLYMAN_NAMESPACE'])
    .examples('tallyman spool drain /var/lib/tallyman/spool')
    .runs(async (_, [folder = '']) => (await running()).drain(folder));
  program
    .command('sweep')
    .description(
      'Watches a folder of spools, and drains each that no sidecar has had for a minute, until it is stopped.',
    )
    .argument('<DIR>', 'the folder that the spools are in')
    .settings(['AMQP_URL'], ['TALLYMAN_NAMESPACE'])
    .examples('tallyman spool sweep /var/lib/tallyman/spools')
    .runs(async (_, [folder = '']) => (await running()).sweep(folder));
  return program;
}

const running = () => import('./spool/run.ts');
