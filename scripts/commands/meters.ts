import { Program } from './program.ts';

export interface MetersOptions {
  readonly read?: boolean;
  readonly account?: string;
  readonly json?: boolean;
}

export function metersCommand(): Program {
  return new Program('meters')
    .description("Shows what the consumers know of Stripe's meters, and since when. Usage is counted by that.")
    .option('--read', 'have the consumers read the list again first: after a meter was archived, or made anew')
    .option('--account <ID>', "a connected account instead of the platform's own")
    .option('--json', 'print one JSON object')
    .settings(['REDIS_URL'], ['TALLYMAN_NAMESPACE'])
    .examples('tallyman meters', 'tallyman meters --read --account acct_1')
    .runs<MetersOptions>(async (options) => {
      const { meters } = await import('./meters/run.ts');
      return meters(options);
    });
}
