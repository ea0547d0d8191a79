import { curves } from "./curves.ts";
import { escapeHtml } from "./escape-html.ts";
import { headline } from "./headline.ts";
import type { ReportData } from "./report-data.ts";
import { runFacts } from "./run-facts.ts";
import { sampleGrid } from "./sample-grid.ts";
import { scoreBars } from "./score-bars.ts";
import { scoreTable } from "./score-table.ts";
import { STYLE } from "./style.ts";

/** The whole report as one HTML page: no script, no request, readable on a phone, light and dark. */
export function renderReport(data: ReportData): string {
  const licences = data.licences.map(
    ({ vendor, licence, author }) =>
      `<li>${escapeHtml(vendor)}: ${escapeHtml(licence)}${author ? `, ${escapeHtml(author)}` : ""}</li>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeHtml(data.title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(data.title)}</h1>
${data.quick ? '<p class="quick">A quick taste, not a result: far too short a training to judge distillation by.</p>' : ""}
${runFacts(data)}
<h2>Scores</h2>
${headline(data)}
<p>Exact match on known things drawn by a vendor that nothing was trained on; macro is the mean of the five tasks. Control and student make equal passes over the same questions; the control has no teacher.</p>
${scoreBars(data)}
<h2>All tasks</h2>
${scoreTable(data)}
<h2>Answers</h2>
<p class="soft">Drawn by a seed, not chosen. A tick marks a right answer, a cross a wrong one.</p>
${sampleGrid(data)}
<h2>Training</h2>
${curves(data)}
<h2>Art</h2>
<ul class="licences">${licences.join("")}</ul>
<h2>Configuration</h2>
<details><summary>Everything that was set</summary><pre>${escapeHtml(JSON.stringify(data.config ?? null, null, 2))}</pre></details>
</body></html>
`;
}
