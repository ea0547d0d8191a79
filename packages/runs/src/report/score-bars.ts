import { escapeHtml } from "./escape-html.ts";
import { oneDecimal } from "./numbers.ts";
import type { ReportScores, ScoreRow } from "./report-data.ts";

const MARKS = ["upper", "lower"] as const;

/** Bars by task from 0 to 100 with the floors as marks; the main number first, with every model. */
export function scoreBars(scores: ReportScores): string {
  const { main, tasks, models, floors } = scores;
  const named = models.filter(({ role }) => role !== undefined);
  const sections = tasks
    .filter((task) => named.some(({ values }) => values[task] !== undefined))
    .map(
      (task) => `<section><h3>${escapeHtml(task)}</h3>${named.map((row) => bar(scores, row, task)).join("")}</section>`,
    );
  const marks = floors
    .slice(0, MARKS.length)
    .map(
      ({ name, note }, i) =>
        ` <span><i class="floor ${MARKS[i]}"></i> ${MARKS[i]} mark: ${escapeHtml(`${name}, ${note}`)}</span>`,
    );
  const spread = models.some(({ deviation }) => deviation !== undefined)
    ? ' <span><i class="spread"></i> ± one standard deviation over seeds</span>'
    : "";
  return `<section class="macro"><h3>${escapeHtml(main)}</h3>${models.map((row) => bar(scores, row, main)).join("")}</section><div class="bars">${sections.join("")}</div>
<p class="key">Bars run from 0 to 100.${marks.join("")}${spread}</p>`;
}

function bar({ main, floors }: ReportScores, { name, role, values, deviation }: ScoreRow, task: string): string {
  const value = values[task];
  const marks = floors.slice(0, MARKS.length).map((floor, i) => {
    const at = floor.values[task];
    const title = escapeHtml(`${floor.name} ${oneDecimal(at)}`);
    return at === undefined ? "" : `<i class="floor ${MARKS[i]}" style="left:${width(at)}%" title="${title}"></i>`;
  });
  const spread = task === main ? deviation : undefined;
  const line =
    spread === undefined || value === undefined
      ? ""
      : `<i class="spread" style="left:${width(value - spread)}%;width:${width(2 * spread)}%"></i>`;
  return `<div class="row"><span>${escapeHtml(name)}</span><div class="track"><div class="bar ${role ?? "other"}" style="width:${width(value)}%"></div>${line}${marks.join("")}</div><b>${oneDecimal(value)}${spread === undefined ? "" : ` <small>±&nbsp;${oneDecimal(spread)}</small>`}</b></div>`;
}

/** A length on the track, kept on it. */
function width(value: number | undefined): string {
  return Math.min(100, Math.max(0, Number.isFinite(value) ? (value as number) : 0)).toFixed(1);
}
