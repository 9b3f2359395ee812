import Table from 'cli-table3';

/** A column: its title, and where numbers stand. */
export type Column = string | { readonly title: string; readonly align: 'right' };

const borders = [
  'top',
  'top-mid',
  'top-left',
  'top-right',
  'bottom',
  'bottom-mid',
  'bottom-left',
  'bottom-right',
  'left',
  'left-mid',
  'mid',
  'mid-mid',
  'right',
  'right-mid',
] as const;
const none = Object.fromEntries(borders.map((name) => [name, '']));

/** A line per row, in columns without borders, so that other programs can search and cut it. */
export function tableOf(columns: readonly Column[], rows: readonly (readonly (string | number)[])[]): string {
  const table = new Table({
    head: columns.map((column) => (typeof column === 'string' ? column : column.title)),
    colAligns: columns.map((column) => (typeof column === 'string' ? 'left' : column.align)),
    chars: { ...none, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map((cell) => String(cell).replace(/\s+/g, ' ')));
  return table.toString().replace(/ +$/gm, '');
}

export function right(title: string): Column {
  return { title, align: 'right' };
}
