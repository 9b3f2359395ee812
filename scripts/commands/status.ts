import { exitCodes, Program } from './program.ts';

export function statusCommand(): Program {
  return new Program('status')
    .description(
      'Says what is well, what waits and goes on by itself, what is parked until a person decides, and what to do. ' +
        'Asks the broker and Redis, where consumers leave what they see, and changes nothing. ' +
        `Exits with ${exitCodes.done} if nothing needs a person, with ${exitCodes.unavailable} if the broker or Redis does not answer, else with ${exitCodes.refused}.`,
    )
    .option('--json', 'print one JSON object')
    .settings(['AMQP_URL', 'REDIS_URL'], ['TALLYMAN_NAMESPACE', 'TALLYMAN_SHARDS'])
    .examples('tallyman status', 'tallyman status --json')
    .runs<{ json?: boolean }>(async ({ json = false }) => {
      const { status } = await import('./status/run.ts');
      return status(json);
    });
}
