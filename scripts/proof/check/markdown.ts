export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The tables of a Markdown text, cells trimmed. A pipe within a cell is written `\|`. */
export function tablesOf(markdown: string): readonly Table[] {
  const tables: Table[] = [];
  const lines = markdown.split('\n');
  for (let index = 0; index < lines.length; index++) {
    if (!/^\|[\s:|-]+\|$/.test(lines[index]?.trim() ?? '')) continue;
    const rows: string[][] = [];
    let next = index + 1;
    for (; lines[next]?.trim().startsWith('|'); next++) rows.push(cellsOf(lines[next] ?? ''));
    tables.push({ header: cellsOf(lines[index - 1] ?? ''), rows });
    index = next - 1;
  }
  return tables;
}

/** What a cell names in code: the text between backticks. */
export function namesIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}

function cellsOf(line: string): string[] {
  const inner = line.trim().replace(/^\||\|$/g, '');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim());
}
