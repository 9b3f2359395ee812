import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startVitest, type TestModule, type TestProject } from 'vitest/node';
import { type Patch, patchedFile } from '../patch/patch.ts';

/** A test file that is run on source code with these patches in it. */
export interface SuiteRun {
  readonly name: string;
  readonly suites: readonly string[];
  readonly patches: readonly Patch[];
}

export interface SuiteVerdict {
  readonly passed: number;
  /** Full names of the tests that failed. */
  readonly failed: readonly string[];
  /** What kept the file from being run at all: then nothing was proven. */
  readonly broken: readonly string[];
}

const root = join(import.meta.dirname, '../../..');
/** What waits for ever because of a mutant is seen by that. */
const testTimeoutMs = 5_000;

/** Runs all of them in one vitest: a project each, with a module graph of its own. Nothing is written to the source. */
export async function runSuites(runs: readonly SuiteRun[]): Promise<ReadonlyMap<string, SuiteVerdict>> {
  const cacheDir = await mkdtemp('/tmp/tallyman-mutants-');
  try {
    const vitest = await startVitest('test', [], {
      root,
      config: false,
      watch: false,
      reporters: [{}],
      projects: runs.map(({ name, suites, patches }) => ({
        plugins: [patchPlugin(patches)],
        cacheDir,
        root,
        test: { name, include: [...suites], testTimeout: testTimeoutMs, hookTimeout: testTimeoutMs, bail: 0 },
      })),
    });
    const modules = vitest.state.getTestModules();
    const verdicts = new Map(runs.map(({ name }) => [name, verdictOf(name, modules)]));
    await vitest.close();
    // A test that fails is what is wanted here.
    process.exitCode = 0;
    return verdicts;
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}

function verdictOf(name: string, all: readonly TestModule[]): SuiteVerdict {
  const modules = all.filter(({ project }: { readonly project: TestProject }) => project.name === name);
  const tests = modules.flatMap(({ children }) => [...children.allTests()]);
  const failed = tests.filter((test) => test.result().state === 'failed').map(({ fullName }) => fullName);
  const errors = modules.flatMap((module) => module.errors().map(({ message }) => message));
  const broken = modules.length === 0 || tests.length === 0 ? ['no test was found', ...errors] : errors;
  return { passed: tests.filter((test) => test.result().state === 'passed').length, failed, broken };
}

function patchPlugin(patches: readonly Patch[]) {
  const files = new Map(patches.map(({ file }) => [join(root, file), file]));
  return {
    name: 'tallyman-mutant',
    enforce: 'pre' as const,
    load(id: string): string | undefined {
      const file = files.get(id);
      return file === undefined ? undefined : patchedFile(file, patches);
    },
  };
}
