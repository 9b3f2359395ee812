import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export type { Registry } from 'prom-client';

/**
 * A registry of its own with the metrics of the process (`process_…`, `nodejs_…`). Every metric in it carries the
 * label `service`. A service's own metrics are made with `registers: [registry]` and are called
 * `tallyman_<noun>_<unit>[_total]`.
 */
export function createRegistry(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Makes gauges whose value is read when they are collected: the work that they tell of pays nothing for them. */
export function gaugeMaker(registry: Registry): (name: string, help: string, read: () => number) => void {
  return (name, help, read) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
}
