import type { ReportData } from "./report-data.ts";

/** The tasks that macro is the mean of. */
export const CORE: readonly string[] = ["name", "group", "kind", "colour", "presence"];

/** Every task that any model was scored on: the core first, then the rest as they come. */
export function allTasks({ summary: { scores, floors } }: ReportData): string[] {
  const seen = [...Object.values(scores), floors.majority, floors.blind].flatMap(({ tasks }) => Object.keys(tasks));
  return [...new Set([...CORE.filter((task) => seen.includes(task)), ...seen])];
}

/** One decimal, or a dash where nothing was measured. */
export function percent(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(1);
}
