/** What stands in the place of one event: what was parsed, still unchecked, or why nothing could be. */
export type Item = { readonly parsed: unknown } | { readonly unparsable: string };

/** Reads the text of a body. Throws a `RequestFault` if it cannot be read at all, or holds more than `eventsMax`. */
export type Format = (text: string, eventsMax: number) => readonly Item[];
