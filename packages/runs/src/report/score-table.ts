import { escapeHtml } from "./escape-html.ts";
import { oneDecimal } from "./numbers.ts";
import type { ReportScores, ScoreRow } from "./report-data.ts";

/** Every model by task, floors last. */
export function scoreTable({ unit, main, tasks, models, floors }: ReportScores): string {
  const seen = [...models, ...floors].flatMap(({ values }) => Object.keys(values)).filter((task) => task !== main);
  const all = [...new Set([...tasks.filter((task) => seen.includes(task)), ...seen])];
  const row = ({ name, label, values, deviation }: ScoreRow): string => {
    const spread = deviation === undefined ? "" : ` <small>±&nbsp;${oneDecimal(deviation)}</small>`;
    const cells = all.map((task) => `<td>${oneDecimal(values[task])}</td>`);
    return `<tr><th scope="row">${escapeHtml(label ?? name)}</th><td><b>${oneDecimal(values[main])}</b>${spread}</td>${cells.join("")}</tr>`;
  };
  const heads = [main, ...all].map((task) => `<th scope="col">${escapeHtml(task.replaceAll("_", " "))}</th>`);
  return `<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">${escapeHtml(unit)}</th>${heads.join("")}</tr></thead>
<tbody>${models.map(row).join("")}</tbody><tbody class="floors">${floors.map(row).join("")}</tbody></table></div>`;
}

/** Any table of text. */
export function plainTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = columns.map((column) => `<th scope="col">${escapeHtml(column)}</th>`).join("");
  const body = rows.map(
    ([first = "", ...cells]) =>
      `<tr><th scope="row">${escapeHtml(first)}</th>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`,
  );
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table></div>`;
}
