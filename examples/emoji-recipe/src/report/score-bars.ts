import { escapeHtml } from "./escape-html.ts";
import type { ReportData, SchemeScore } from "./report-data.ts";
import { CORE, percent } from "./tasks.ts";

const MODELS: readonly string[] = ["teacher", "student", "control"];
const FLOORS = ["blind", "majority"] as const;

type Summary = ReportData["summary"];

/** Bars by task from 0 to 100 percent with the floors as marks; macro first, with every scheme that ran. */
export function scoreBars({ summary }: ReportData): string {
  const { scores } = summary;
  const models = MODELS.filter((name) => scores[name] !== undefined);
  const others = Object.keys(scores).filter((name) => !MODELS.includes(name));
  const macro = [...models, ...others].map((name) => bar(summary, name, "macro"));
  const tasks = CORE.filter((task) => models.some((name) => scores[name]?.tasks[task] !== undefined)).map(
    (task) =>
      `<section><h3>${escapeHtml(task)}</h3>${models.map((name) => bar(summary, name, task)).join("")}</section>`,
  );
  return `<section class="macro"><h3>macro</h3>${macro.join("")}</section><div class="bars">${tasks.join("")}</div>
<p class="key">Bars run from 0 to 100 percent. <span><i class="floor blind"></i> upper mark: blind, a model that never sees the picture</span> <span><i class="floor majority"></i> lower mark: the most frequent answer</span> <span><i class="spread"></i> ± one standard deviation over seeds</span></p>`;
}

function bar({ scores, floors }: Summary, name: string, task: string): string {
  const score = scores[name] as SchemeScore;
  const value = task === "macro" ? score.macro : score.tasks[task];
  const deviation = task === "macro" ? score.deviation : undefined;
  const marks = FLOORS.map((floor) => {
    const at = task === "macro" ? floors[floor].macro : floors[floor].tasks[task];
    return at === undefined
      ? ""
      : `<i class="floor ${floor}" style="left:${width(at)}%" title="${floor} ${percent(at)}"></i>`;
  });
  const spread =
    deviation === undefined || value === undefined
      ? ""
      : `<i class="spread" style="left:${width(value - deviation)}%;width:${width(2 * deviation)}%"></i>`;
  const colour = MODELS.includes(name) ? name : "other";
  return `<div class="row"><span>${escapeHtml(name)}</span><div class="track"><div class="bar ${colour}" style="width:${width(value)}%"></div>${spread}${marks.join("")}</div><b>${percent(value)}${deviation === undefined ? "" : ` <small>±&nbsp;${percent(deviation)}</small>`}</b></div>`;
}

/** A length on the track, kept on it. */
function width(value: number | undefined): string {
  return Math.min(100, Math.max(0, Number.isFinite(value) ? (value as number) : 0)).toFixed(1);
}
