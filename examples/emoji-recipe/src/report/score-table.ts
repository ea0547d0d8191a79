import { escapeHtml } from "./escape-html.ts";
import type { ReportData, SchemeScore } from "./report-data.ts";
import { allTasks, percent } from "./tasks.ts";

/** Every model and scheme by task, floors last. */
export function scoreTable(data: ReportData): string {
  const { scores, floors } = data.summary;
  const tasks = allTasks(data);
  const row = (name: string, { macro, deviation, tasks: scored, label }: SchemeScore): string => {
    const spread = deviation === undefined ? "" : ` <small>±&nbsp;${percent(deviation)}</small>`;
    const cells = tasks.map((task) => `<td>${percent(scored[task])}</td>`);
    return `<tr><th scope="row">${escapeHtml(label ?? name)}</th><td><b>${percent(macro)}</b>${spread}</td>${cells.join("")}</tr>`;
  };
  const rows = Object.entries(scores).map(([name, score]) => row(name, score));
  const heads = ["macro", ...tasks].map((task) => `<th scope="col">${escapeHtml(task.replaceAll("_", " "))}</th>`);
  return `<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">percent right</th>${heads.join("")}</tr></thead>
<tbody>${rows.join("")}</tbody><tbody class="floors">${row("blind", floors.blind)}${row("majority", floors.majority)}</tbody></table></div>`;
}
