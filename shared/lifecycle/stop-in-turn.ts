import type { Logger } from '../log/log.ts';

/** Parts that are stopped at the same time, by the name that the log gives them. */
export type StopStep = Readonly<Record<string, () => unknown>>;

/**
 * Takes every step in its turn, whatever became of the ones before: a part that cannot be stopped leaves nothing else open.
 *
 * @throws {AggregateError} with the errors of all parts that failed, after the last step.
 */
export async function stopInTurn(log: Logger, steps: readonly StopStep[]): Promise<void> {
  const errors: unknown[] = [];
  const stopPart = async ([part, stop]: readonly [string, () => unknown]): Promise<void> => {
    try {
      await stop();
    } catch (error) {
      log.error({ error, part }, 'A part of the service could not be stopped; the others are stopped all the same.');
      errors.push(error);
    }
  };
  for (const step of steps) await Promise.all(Object.entries(step).map(stopPart));
  if (errors.length > 0) throw new AggregateError(errors, 'Not every part of the service could be stopped.');
}
