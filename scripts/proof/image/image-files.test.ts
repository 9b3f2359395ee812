import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { type Image, imageFiles, packagesOf, readBy } from './image-files.ts';

const root = resolve(import.meta.dirname, '../../..');
const filesOf: Readonly<Record<Image, readonly string[]>> = {
  product: imageFiles('product', root),
  laboratory: imageFiles('laboratory', root),
};

describe('the image of the product', () => {
  it('holds every service and every command', () => {
    expect(filesOf.product).toEqual(
      expect.arrayContaining([
        'package.json',
        'services/publisher/src/main.ts',
        'services/consumer/src/main.ts',
        'scripts/commands/topology.ts',
        'scripts/commands/recover.ts',
        'shared/journal/scripts/commit.lua',
        'shared/access/rights.json',
      ]),
    );
  });

  it('holds no test, no model and nothing of the laboratory', () => {
    const strangers =
      /\.(test|contract)\.ts$|\/(testing|bench|examples)\b|\/test-|\/model-|^services\/stripe-|^scripts\/(lab|proof)\//;
    expect(filesOf.product.filter((file) => strangers.test(file))).toEqual([]);
  });
});

describe('the image of the laboratory', () => {
  it('holds the simulator and the load, and neither service nor command, but how a command line reads', () => {
    expect(filesOf.laboratory).toEqual(
      expect.arrayContaining([
        'services/stripe-simulator/src/main.ts',
        'scripts/lab/load/send.ts',
        'scripts/lab/load/worker.ts',
      ]),
    );
    const strangers =
      /\.(test|contract)\.ts$|\/testing\b|^services\/(publisher|consumer)\/|^scripts\/(commands\/(?!program\.ts)|proof\/)/;
    expect(filesOf.laboratory.filter((file) => strangers.test(file))).toEqual([]);
  });
});

it.each(['product', 'laboratory'] as const)('whatever the %s reads beside its code is known', (image) => {
  const code = filesOf[image].filter((file) => file.endsWith('.ts'));
  const readers = code.filter((file) =>
    /import\.meta\.(url|dirname|filename|resolve)/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(readers.filter((file) => !(file in readBy))).toEqual([]);
});

it('the packages of production are those that the images import', () => {
  const used = packagesOf([...filesOf.product, ...filesOf.laboratory], root);
  expect(used).toEqual(Object.keys(packageJson.dependencies).sort());
});
