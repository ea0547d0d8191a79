import type { MetricsRow } from "./metrics-row.ts";

/** Wall seconds of these rows' steps, and what they waited of that for their data. */
export function stepTimes(rows: readonly Partial<MetricsRow>[]): { seconds: number; dataSeconds: number } {
  const sum = (key: string): number => rows.reduce((total, row) => total + Number(row[key] ?? 0), 0);
  return { seconds: sum("perf/step_seconds"), dataSeconds: sum("perf/data_seconds") };
}
