import { escapeHtml } from "./escape-html.ts";
import type { ReportData } from "./report-data.ts";

/** What was run, on what and how long, as a list of terms. */
export function runFacts({ facts }: ReportData): string {
  return `<dl>${facts.map(([term, text]) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(text)}</dd>`).join("")}</dl>`;
}
