import type { Cluster } from '../cluster/cluster.ts';
import type { RunningService } from '../cluster/service.ts';

const linesRead = 500;
const complaintsShown = 5;
/** pino's number for `warn`. */
const warnLevel = 40;

export function membersOf({ simulator, publishers, consumers }: Cluster): readonly RunningService[] {
  const numbered = [...publishers, ...consumers].toSorted((left, right) => compareNames(left.name, right.name));
  return [...(simulator === undefined ? [] : [simulator]), ...numbered];
}

/** Rejects when a service has ended by itself, with what it said last: nothing good can come of waiting then. */
export async function assertHealthy(cluster: Cluster): Promise<void> {
  const failed = membersOf(cluster).find(({ hasFailed }) => hasFailed);
  if (failed === undefined) return;
  throw new Error(
    `${failed.name} ended by itself (${JSON.stringify(failed.exit)}). Its last lines:\n${await failed.lastLines(15)}`,
  );
}

/** The newest warnings and errors of every service, for a person who wants to know why. */
export async function complaints(cluster: Cluster): Promise<string> {
  const all = await Promise.all(
    membersOf(cluster).map(async (member) => {
      const lines = (await member.lastLines(linesRead)).split('\n').filter(isComplaint).slice(-complaintsShown);
      return lines.map((line) => `  ${member.name}: ${line}`);
    }),
  );
  return all.flat().join('\n');
}

/** `consumer-2` before `consumer-10`. */
export function compareNames(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true });
}

function isComplaint(line: string): boolean {
  const level = /"level":(\d+|"warn"|"error"|"fatal")/.exec(line)?.[1];
  // What is no log line of ours is a crash.
  return level === undefined ? line !== '' : !(Number(level) < warnLevel);
}
