import type { ReportData } from "./report-data.ts";
import { percent } from "./tasks.ts";

/** The difference that the recipe is about: student minus control, with its deviation where several seeds ran. */
export function headline({ summary: { scores, paired } }: ReportData): string {
  const difference = paired?.mean ?? (scores.student?.macro ?? Number.NaN) - (scores.control?.macro ?? Number.NaN);
  if (!Number.isFinite(difference)) return "";
  const spread =
    paired === undefined
      ? "one seed, so nothing is known of its spread"
      : `±&nbsp;${percent(paired.deviation)}, standard deviation of ${paired.seeds} paired differences`;
  return `<p class="headline"><b>${difference >= 0 ? "+" : "−"}${percent(Math.abs(difference))}</b> <span>student minus control, macro (${spread})</span></p>`;
}
