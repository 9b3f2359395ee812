/**
 * Strings that may become part of a name at the provider: no control characters (C0, DEL, C1), because NUL separates
 * the parts of a lane, and no lone surrogates, because they have no UTF-8 form and two of them would become one.
 *
 * Returns what is wrong, or undefined. Length is counted in UTF-16 units, as JavaScript, Java and C# count it.
 */
export function textFault(text: string): string | undefined {
  let surrogates = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return 'a control character';
    if ((unit & 0xf800) === 0xd800) surrogates = true;
  }
  return surrogates && !text.isWellFormed() ? 'a lone surrogate' : undefined;
}

/** Printable ASCII without spaces: what may travel in an HTTP header. */
export function isToken(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x21 || unit > 0x7e) return false;
  }
  return true;
}
