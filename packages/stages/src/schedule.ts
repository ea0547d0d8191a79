/** A cosine schedule with a linear warm-up. */
export interface Schedule {
  /** Highest learning rate. */
  readonly peak: number;
  /** Steps of the whole run, warm-up included. */
  readonly totalSteps: number;
  /** Share of the steps that warm up, rounded up. */
  readonly warmupRatio: number;
}

/** Learning rate of a step counted from 0: linear from 0 to the peak, then half a cosine down to 0. */
export function learningRateAt(step: number, { peak, totalSteps, warmupRatio }: Schedule): number {
  const warmup = Math.ceil(totalSteps * warmupRatio);
  if (step < warmup) return (peak * step) / warmup;
  return peak * 0.5 * (1 + Math.cos((Math.PI * (step - warmup)) / (totalSteps - warmup)));
}
