import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type CurveLine, curveLines } from "./curve-lines.ts";
import { escapeHtml, plainLabel } from "./escape-html.ts";
import type { ReportData } from "./report-data.ts";

const POINTS = 300;
const TITLES: Readonly<Record<string, string>> = {
  "train/loss": "loss",
  "opt/grad_norm": "gradient norm",
  "opt/update_norm": "update norm",
  "opt/lr": "learning rate",
  "eval/loss": "evaluation loss",
  "eval/agreement": "agreement with the teacher",
  "eval/kl": "KL to the teacher",
  "perf/tokens_per_second": "tokens per second",
};
const ORDER = [
  "train/loss",
  "train/",
  "eval/",
  "opt/grad_norm",
  "opt/update_norm",
  "opt/lr",
  "opt/",
  "perf/tokens_per_second",
];
const NORMS: readonly string[] = ["opt/grad_norm", "opt/update_norm"];

interface Point {
  readonly step: number;
  readonly value: number;
}

/** Small multiples: a section a stage position, a panel a logged number, a line a run. */
export function curves({ curves: all, curvesNote }: ReportData): string {
  const positions = curveLines(all);
  if (positions.length === 0) return '<p class="soft">Nothing was logged.</p>';
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const sections = positions.map((lines, position) => {
    const names = [...new Set(lines.map(({ stage }) => stage))].join(" and ");
    const panels = keysOf(lines).map((key) => panel({ key, title: titleOf(key), lines, document }));
    return `<section><h3 class="stage">Stage ${position + 1}: ${escapeHtml(names)}</h3>${legend(lines)}<div class="panels">${panels.join("")}</div></section>`;
  });
  const note = curvesNote === undefined ? "" : `<p class="soft">${escapeHtml(curvesNote)}</p>`;
  return `${note}${sections.join("")}`;
}

/** Everything that was logged, in the order people look at it. */
function keysOf(lines: readonly CurveLine[]): string[] {
  const keys = new Set(lines.flatMap(({ rows }) => rows.flatMap((row) => Object.keys(row))));
  const found: string[] = [];
  for (const start of ORDER)
    for (const key of keys) if (key.startsWith(start) && !found.includes(key) && key.includes("/")) found.push(key);
  return found;
}

const titleOf = (key: string): string =>
  TITLES[key] ??
  key
    .replace(/^train\/loss_/, "")
    .replace(/^\w+\//, "")
    .replaceAll("_", " ");

function panel({
  key,
  title,
  lines,
  document,
}: {
  readonly key: string;
  readonly title: string;
  readonly lines: readonly CurveLine[];
  readonly document: unknown;
}): string {
  const drawn = lines
    .map((line) => ({ line, points: pointsOf(line.rows, key) }))
    .filter(({ points }) => points.length > 1);
  if (drawn.length === 0) return "";
  const values = drawn.flatMap(({ points }) => points.map(({ value }) => value));
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  // The first steps' gradients can be a thousand times the rest.
  const log = NORMS.includes(key) && least > 0 && most > 30 * least;
  const svg = Plot.plot({
    document: document as Document,
    ariaLabel: plainLabel(`${title} by step`),
    width: 260,
    height: 150,
    marginLeft: 40,
    x: { label: "step", ticks: 4 },
    y: {
      label: null,
      ticks: 4,
      grid: true,
      ...(log ? { type: "log", ticks: powersOfTen(least, most), tickFormat: "~s" } : {}),
    },
    marks: drawn.map(({ line: { stroke, dash }, points }) =>
      Plot.line(points, { x: "step", y: "value", stroke, strokeDasharray: dash, strokeWidth: 1.5 }),
    ),
  });
  return `<figure><figcaption>${escapeHtml(title)}${log ? " (log scale)" : ""}</figcaption>${svg.outerHTML}</figure>`;
}

/** At most 300 of the finite values, evenly spread, the first and the last among them. */
function pointsOf(rows: CurveLine["rows"], key: string): Point[] {
  const known = rows.filter((row) => Number.isFinite(row[key]));
  const count = Math.min(known.length, POINTS);
  return Array.from({ length: count }, (_, i) => {
    const row = known[Math.round((i * (known.length - 1)) / Math.max(1, count - 1))] as (typeof known)[number];
    return { step: Number(row.stage_step), value: Number(row[key]) };
  });
}

function powersOfTen(least: number, most: number): number[] {
  const first = Math.ceil(Math.log10(least));
  return Array.from({ length: Math.floor(Math.log10(most)) - first + 1 }, (_, i) => 10 ** (first + i));
}

function legend(lines: readonly CurveLine[]): string {
  const entries = lines.map(
    ({ name, stroke, dash }) =>
      `<span><svg width="30" height="8" aria-hidden="true"><line x1="0" x2="30" y1="4" y2="4" stroke="${stroke}" stroke-width="2" stroke-dasharray="${dash}"/></svg> ${escapeHtml(name)}</span>`,
  );
  return `<p class="legend">${entries.join("")}</p>`;
}
