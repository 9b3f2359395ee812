import { dirname, join, normalize } from 'node:path';

/** What a project holds: the text of a file, `folder`, or undefined if there is nothing by this path. */
export type Tree = (path: string) => { readonly text: string } | 'folder' | undefined;

/** Where Markdown can be linked to: its headings, named as GitHub names them, and explicit `<a id="…">`. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  const prose = withoutFences(markdown);
  for (const [, title = ''] of prose.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = slugOf(title);
    let name = slug;
    for (let repeated = 1; anchors.has(name); repeated++) name = `${slug}-${repeated}`;
    anchors.add(name);
  }
  for (const [, id = ''] of prose.matchAll(/<a id="([^"]+)">/g)) anchors.add(id);
  return anchors;
}

/** Targets of the links and images in a Markdown text, code left out. */
export function linksIn(markdown: string): readonly string[] {
  const prose = withoutFences(markdown).replace(/`[^`\n]*`/g, '');
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const references = [...prose.matchAll(/^\s*\[[^\]]+\]:\s+<?(\S+?)>?\s*$/gm)];
  return [...inline, ...references].map(([, target = '']) => target);
}

/** Paths of this project that a Markdown text names in code, such as `shared/event/lane.ts`. */
export function pathsIn(markdown: string): readonly string[] {
  const spans = [...withoutFences(markdown).matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  return spans.filter((span) => /^(services|shared|scripts|k8s|terraform|docs)\/[\w./-]+$/.test(span));
}

/** Files of this project that code or a manifest names, in comments, commands and texts alike. */
export function filesNamedIn(code: string): readonly string[] {
  const named = code.matchAll(
    /(?<![\w./-])(?:services|shared|scripts|k8s|terraform|docs)\/[\w./-]*\.(?:ts|md|lua|json|yaml|tf)\b/g,
  );
  return [...named].map(([path]) => path);
}

/** A sentence for each link within the project, and each path of it named in code, that leads nowhere. */
export function brokenLinks(file: string, markdown: string, tree: Tree): readonly string[] {
  const faults: string[] = [];
  for (const link of linksIn(markdown)) {
    if (/^[a-z][a-z+.-]*:/i.test(link)) continue;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? file : normalize(join(dirname(file), path));
    const found = tree(target);
    if (found === undefined) faults.push(`${file}: the link ${link} leads to ${target}, which does not exist.`);
    else if (anchor !== undefined && (found === 'folder' || !anchorsOf(found.text).has(anchor)))
      faults.push(`${file}: the link ${link} leads to ${target}, which has no heading or anchor "${anchor}".`);
  }
  for (const path of pathsIn(markdown)) {
    if (tree(normalize(path)) === undefined) faults.push(`${file}: it names ${path}, which does not exist.`);
  }
  return faults;
}

function withoutFences(markdown: string): string {
  return markdown.replace(/^([ \t]*)(```+|~~~+)[^\n]*\n[\s\S]*?^\1\2[ \t]*$/gm, '');
}

function slugOf(title: string): string {
  return title
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}
