import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

interface Locked {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  /** Only development needs it: the image does not have it. */
  readonly dev?: boolean;
}

const lock = join(resolve(import.meta.dirname, '../../..'), 'package-lock.json');
const { packages } = JSON.parse(readFileSync(lock, 'utf8')) as { readonly packages: Readonly<Record<string, Locked>> };

/** Where Node looks for `name` from a package at `path`, innermost first. */
function placesOf(name: string, path: string): readonly string[] {
  const parents = path.split('node_modules/').map((_, index, parts) => parts.slice(0, index + 1).join('node_modules/'));
  return parents
    .reverse()
    .map((parent) => `${parent === '' ? '' : `${parent.replace(/\/$/, '')}/`}node_modules/${name}`);
}

// `npm install` can write a lock that `npm ci` refuses: it leaves out builds for other platforms that the registry did not serve.
it('package-lock.json has every package that another one asks for, those of other platforms among them', () => {
  const missing = Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !placesOf(name, path).some((place) => place in packages))
      .map((name) => `${path}: ${name}`),
  );
  expect(Object.keys(packages).length).toBeGreaterThan(100);
  expect(missing).toEqual([]);
});

// `yaml` stood in both lists, so npm left it out of the image, where provisioning and TALLYMAN_METERS_FILE need it.
it('what production needs is installed there, because no package is in both lists', () => {
  const { dependencies = {}, devDependencies = {} } = packages[''] ?? {};
  expect(Object.keys(dependencies)).toContain('yaml');
  expect(Object.keys(dependencies).filter((name) => Object.hasOwn(devDependencies, name))).toEqual([]);
  expect(Object.keys(dependencies).filter((name) => packages[`node_modules/${name}`]?.dev !== undefined)).toEqual([]);
});
