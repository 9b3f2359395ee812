/** A set for ever: after Redis has lost writes its number may be given again, its token is not. */
export function setName(shard: number, set: number, token: string): string {
  return `${shard}/${set}/${token.slice(0, 8)}`;
}
