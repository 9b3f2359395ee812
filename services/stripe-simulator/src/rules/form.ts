/** Form-encoded parameters as Stripe's clients send them: `payload[value]=3`, `expand[0]=x`, `expand[]=x`. */
export type FormValue = string | Form;
export interface Form {
  readonly [key: string]: FormValue;
}
type Growing = Record<string, FormValue>;

const depthMax = 5;
const pairsMax = 500;

/** Undefined if it cannot be read: broken escapes, a name that is both a text and a map, too deep or too much. */
export function parseForm(text: string): Form | undefined {
  const root = emptyForm();
  if (text === '') return root;
  const pairs = text.split('&');
  if (pairs.length > pairsMax) return undefined;
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = decode(equals < 0 ? '' : pair.slice(equals + 1));
    if (name === undefined || value === undefined || !put(root, pathOf(name), value)) return undefined;
  }
  return root;
}

/** Without a prototype: a parameter called `constructor` is a parameter. */
function emptyForm(): Growing {
  return Object.create(null) as Growing;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.includes('+') ? text.replaceAll('+', ' ') : text);
  } catch {
    return undefined;
  }
}

/** `a[b][c]` is a, b, c. A name without a closing bracket is taken as it stands. */
function pathOf(name: string): readonly string[] {
  const open = name.indexOf('[');
  if (open <= 0 || !name.endsWith(']')) return [name];
  return [name.slice(0, open), ...name.slice(open + 1, -1).split('][')];
}

function put(form: Growing, path: readonly string[], value: string): boolean {
  const [name = '', ...rest] = path;
  if (path.length > depthMax) return false;
  if (rest.length === 0) {
    if (typeof form[name] === 'object') return false;
    // `expand[]=a&expand[]=b` is a list: an empty name is the next index.
    form[name === '' ? String(Object.keys(form).length) : name] = value;
    return true;
  }
  const child = form[name] ?? emptyForm();
  if (typeof child === 'string') return false;
  form[name] = child;
  return put(child, rest, value);
}

/** The text at a path of names; undefined if there is none, or an empty one. */
export function textAt(form: Form, ...path: readonly string[]): string | undefined {
  let value: FormValue | undefined = form;
  for (const name of path) value = typeof value === 'object' ? value[name] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
