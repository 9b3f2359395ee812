import { readFileSync } from 'node:fs';

/** What a process has used since it started. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

export interface ProcessUsage extends Usage {
  readonly name: string;
}

const sampleEveryMs = 100;
/** USER_HZ, which Linux fixes at 100 for everything in /proc (man 5 proc). */
const ticksPerS = 100;

/**
 * Watches processes through /proc, which knows every kind of them: brokers, Redis and our own. A process that ends in
 * between is counted as it was at most a tenth of a second before. Without /proc there is nothing to see.
 */
export class ProcessWatch {
  readonly #pids: ReadonlyMap<string, number>;
  readonly #latest = new Map<string, Usage>();
  #timer: NodeJS.Timeout | undefined;

  constructor(pids: ReadonlyMap<string, number>) {
    this.#pids = pids;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), sampleEveryMs);
  }

  /** As of now, in the order they were given. */
  read(): ProcessUsage[] {
    this.#sample();
    return Array.from(this.#latest, ([name, usage]) => ({ name, ...usage }));
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sample(): void {
    for (const [name, pid] of this.#pids) {
      const usage = readUsage(pid);
      if (usage !== undefined) this.#latest.set(name, usage);
    }
  }
}

function readUsage(pid: number): Usage | undefined {
  try {
    return parseUsage(readFileSync(`/proc/${pid}/stat`, 'latin1'), readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    // It has ended, or there is no /proc here: what was read last stands.
    return undefined;
  }
}

/** Of `/proc/<pid>/stat` and `status`; undefined for a process that has ended and is not collected yet. */
export function parseUsage(stat: string, status: string): Usage | undefined {
  // The second field is the command in parentheses, and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const peakKiB = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (peakKiB === undefined) return undefined;
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])];
  return { cpuSeconds: (userTicks + systemTicks) / ticksPerS, peakMiB: Number(peakKiB) / 1024 };
}

/** CPU seconds that everything on this machine has used since it started; undefined without /proc. */
export function readMachineCpuSeconds(): number | undefined {
  try {
    return parseMachineCpuSeconds(readFileSync('/proc/stat', 'latin1'));
  } catch {
    return undefined;
  }
}

export function parseMachineCpuSeconds(stat: string): number | undefined {
  const match = /^cpu +(\d+) (\d+) (\d+) \d+ \d+ (\d+) (\d+)/m.exec(stat);
  if (match === null) return undefined;
  const [user = 0, nice = 0, system = 0, interrupt = 0, softInterrupt = 0] = match.slice(1).map(Number);
  return (user + nice + system + interrupt + softInterrupt) / ticksPerS;
}
