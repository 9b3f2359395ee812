/** A service's `/metrics` page, read. */
export interface Metrics {
  /** Sum of all samples with this name and at least these labels; undefined when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
  /** CPU time since the process started. */
  readonly cpuSeconds: number;
  /** 0 where the system does not tell (no /proc). */
  readonly residentBytes: number;
}

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const sampleShape = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/;
const labelShape = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** Reads Prometheus' text format, as far as services write it; comments and what is no sample are skipped. */
export function parseMetrics(text: string): Metrics {
  const samples = text.split('\n').flatMap(parseSample);
  const sum: Metrics['sum'] = (name, labels = {}) => {
    const wanted = Object.entries(labels);
    const found = samples.filter(
      (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels.get(label) === value),
    );
    return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0);
  };
  return {
    sum,
    cpuSeconds: sum('process_cpu_seconds_total') ?? 0,
    residentBytes: sum('process_resident_memory_bytes') ?? 0,
  };
}

function parseSample(line: string): Sample[] {
  const match = sampleShape.exec(line);
  if (match === null) return [];
  const [, name = '', labelText = '', value = ''] = match;
  const labels = new Map([...labelText.matchAll(labelShape)].map(([, label = '', content = '']) => [label, content]));
  return [{ name, labels, value: Number(value) }];
}
