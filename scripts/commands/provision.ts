import { Program } from './program.ts';

export interface ProvisionOptions {
  readonly file: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly live?: boolean;
}

export function provisionCommand(): Program {
  return new Program('provision')
    .description(
      'Makes at Stripe what a file says and is not there yet: meters, their products and metered prices, customers, and their ' +
        'subscriptions. Shows what it would do, and asks. Running it again changes nothing. scripts/README.md describes the file.',
    )
    .requiredOption('--file <FILE>', 'the meters, prices and customers')
    .option('--dry-run', 'only show what it would do')
    .option('--yes', 'do not ask')
    .option('--live', 'allow a key of live mode')
    .settings(['STRIPE_API_KEY'], ['STRIPE_API_BASE'])
    .examples('tallyman provision --file meters.yaml --dry-run')
    .runs<ProvisionOptions>(async (options) => {
      const { provision } = await import('./provision/run.ts');
      return provision(options);
    });
}
