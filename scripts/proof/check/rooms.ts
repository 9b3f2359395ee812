import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a folder of source holds: how many files, tests among them, and which folders the others import. */
export interface Room {
  files: number;
  readonly imports: Set<string>;
}

/** Folders below `root` by their path. Tests and their support count as files, and may import from everywhere. */
export function roomsOf(root: string): ReadonlyMap<string, Room> {
  const rooms = new Map<string, Room>();
  for (const path of globSync('**/*.ts', { cwd: root })) {
    const folder = dirname(path);
    const room = rooms.get(folder) ?? { files: 0, imports: new Set<string>() };
    rooms.set(folder, room);
    room.files++;
    if (path.endsWith('.test.ts') || folder.endsWith('testing')) continue;
    for (const [, target = ''] of readFileSync(join(root, path), 'utf8').matchAll(/from '(\.{1,2}\/[^']+)'/g)) {
      const to = dirname(join(folder, target));
      if (to !== folder && !to.startsWith('..')) room.imports.add(to);
    }
  }
  return rooms;
}

/** The folders of a circle of imports, in their order; undefined when there is none. */
export function circleOf(rooms: ReadonlyMap<string, Pick<Room, 'imports'>>): readonly string[] | undefined {
  const free = new Set<string>();
  const visit = (folder: string, path: readonly string[]): readonly string[] | undefined => {
    if (free.has(folder)) return undefined;
    const at = path.indexOf(folder);
    if (at >= 0) return [...path.slice(at), folder];
    for (const next of rooms.get(folder)?.imports ?? []) {
      const circle = visit(next, [...path, folder]);
      if (circle !== undefined) return circle;
    }
    free.add(folder);
    return undefined;
  };
  for (const folder of rooms.keys()) {
    const circle = visit(folder, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
