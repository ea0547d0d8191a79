import { curves } from "./curves.ts";
import { escapeHtml } from "./escape-html.ts";
import { gramPanels } from "./gram-panels.ts";
import { headline } from "./headline.ts";
import type { ReportData } from "./report-data.ts";
import { runFacts } from "./run-facts.ts";
import { sampleGrid } from "./sample-grid.ts";
import { scoreBars } from "./score-bars.ts";
import { plainTable, scoreTable } from "./score-table.ts";
import { STYLE } from "./style.ts";

/** The whole report as one HTML page: no script, no request, readable on a phone, light and dark. */
export function renderReport(data: ReportData): string {
  const { title, notice, scores, samples, grams, tables = [], lists = [], config } = data;
  const soft = (text: string): string => `<p class="soft">${escapeHtml(text)}</p>`;
  const parts = [
    `<h1>${escapeHtml(title)}</h1>`,
    notice === undefined ? "" : `<p class="quick">${escapeHtml(notice)}</p>`,
    runFacts(data),
    scores === undefined
      ? ""
      : `<h2>Scores</h2>${headline(data)}<p>${escapeHtml(scores.note)}</p>${scoreBars(scores)}<h2>All tasks</h2>${scoreTable(scores)}`,
    ...tables.map((table) => `<h2>${escapeHtml(table.title)}</h2>${plainTable(table.columns, table.rows)}`),
    samples === undefined || samples.shown.length === 0
      ? ""
      : `<h2>Answers</h2>${soft(samples.note)}${sampleGrid(samples)}`,
    grams === undefined || grams.pictures.length === 0
      ? ""
      : `<h2>What the visual tokens relate</h2>${soft(grams.note)}${gramPanels(grams)}`,
    `<h2>Training</h2>${curves(data)}`,
    ...lists.map(
      (list) =>
        `<h2>${escapeHtml(list.title)}</h2><ul class="list">${list.items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`,
    ),
    `<h2>Configuration</h2><details><summary>Everything that was set</summary><pre>${escapeHtml(JSON.stringify(config ?? null, null, 2))}</pre></details>`,
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
${parts.filter((part) => part !== "").join("\n")}
</body></html>
`;
}
