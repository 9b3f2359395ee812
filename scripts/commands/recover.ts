import { Program } from './program.ts';

export interface RecoverOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function recoverCommand(): Program {
  return new Program('recover')
    .description(
      'For after Redis lost data. Says what is known and what is not. Makes a new incarnation only with --yes, because that is ' +
        'a decision about money.',
    )
    .option('--yes', 'make a new incarnation')
    .option('--json', 'print what is known as one JSON object')
    .settings(['AMQP_URL', 'REDIS_URL'], ['TALLYMAN_NAMESPACE', 'TALLYMAN_SHARDS'])
    .examples('tallyman recover', 'tallyman recover --yes')
    .runs<RecoverOptions>(async (options) => {
      const { recover } = await import('./recover/run.ts');
      return recover(options);
    });
}
