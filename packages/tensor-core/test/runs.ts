/** At most so many cases a property: fewer where a whole suite runs again and again. */
const most = Number(process.env.KD_PROPERTY_RUNS ?? Number.POSITIVE_INFINITY);

/** What a property draws from: the same cases each time, so that a failure is the change's. */
export const runsOf = (seed: number, numRuns: number): { readonly seed: number; readonly numRuns: number } => ({
  seed,
  numRuns: Math.min(numRuns, most),
});
