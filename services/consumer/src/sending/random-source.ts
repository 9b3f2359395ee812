/** Everything random, given from outside so that a simulation can repeat it. */
export interface RandomSource {
  /** 0 up to, but not including, 1. */
  number(): number;
  /** 128 random bits, hex. */
  token(): string;
}
