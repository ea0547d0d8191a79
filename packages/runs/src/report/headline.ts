import { escapeHtml } from "./escape-html.ts";
import { oneDecimal } from "./numbers.ts";
import type { ReportData } from "./report-data.ts";

/** The one difference that the run is about, in large figures. */
export function headline({ headline: shown }: ReportData): string {
  if (shown === undefined || !Number.isFinite(shown.value)) return "";
  const { value, text } = shown;
  return `<p class="headline"><b>${value >= 0 ? "+" : "−"}${oneDecimal(Math.abs(value))}</b> <span>${escapeHtml(text)}</span></p>`;
}
