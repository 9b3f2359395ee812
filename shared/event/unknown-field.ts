import { nearestName } from '../config/nearest.ts';
import { EventFault, shown } from './event-fault.ts';

/** A field that events do not have, and the one that was probably meant. */
export function unknownField(field: string, value: unknown, known: readonly string[]): EventFault {
  const all = `one of the fields ${known.slice(0, -1).join(', ')} and ${known.at(-1)}`;
  return new EventFault('unknown_field', shown(field), shown(value), `${all}${didYouMean(field, known)}`);
}

/** ` (did you mean value?)`, or nothing. Case is no difference. */
export function didYouMean(name: string, known: readonly string[]): string {
  // What is much longer than any name is none of them, and comparing takes time.
  const nearest = name.length > 200 ? undefined : nearestName(name.toLowerCase(), known);
  return nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
}
