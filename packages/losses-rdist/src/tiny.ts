/** What a sum of squares is at least divided by: what has no direction stays finite. */
export const TINY = 1e-30;
