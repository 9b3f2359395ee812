import { defineConfig } from 'vitest/config';

const everything = '{services,shared,scripts}/**/*.test.ts';
const integration = '{services,shared,scripts}/**/*.integration.test.ts';
const containers = '{services,shared,scripts}/**/*.container.test.ts';
/** Whole clusters, and what becomes of every event in them. */
const acceptance = 'scripts/{proof/acceptance,lab/demonstration}/**/*.integration.test.ts';
/** Whole clusters, and how long they take for something: wants the machine for itself. */
const timed = '{services,shared,scripts}/**/*.timed.test.ts';

const onRealServices = {
  // One broker and one Redis for the whole run; tests that kill or freeze theirs start their own.
  globalSetup: 'shared/testing/global-setup.ts',
  // Real brokers recover for seconds on a busy machine. A test that hangs has its own, shorter deadlines.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  // One file at a time: several brokers or clusters at once on two cores make each other's deadlines pass.
  fileParallelism: false,
};

export default defineConfig({
  test: {
    projects: [
      // Virtual time, but real work: the longest takes 5 s of CPU, and the machine may be busy.
      { test: { name: 'unit', include: [everything], exclude: [integration, containers, timed], testTimeout: 30_000 } },
      { test: { ...onRealServices, name: 'integration', include: [integration], exclude: [acceptance] } },
      { test: { ...onRealServices, name: 'acceptance', include: [acceptance] } },
      // Needs a Docker daemon of its own, which it starts.
      { test: { name: 'containers', include: [containers], testTimeout: 60_000 } },
      { test: { ...onRealServices, name: 'timing', include: [timed] } },
    ],
  },
});
