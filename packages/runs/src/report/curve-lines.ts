import type { ReportCurve } from "./report-data.ts";

/** One line of the panels at one stage position, drawn the same way in each of them. */
export interface CurveLine {
  readonly name: string;
  readonly stage: string;
  /** A CSS colour. */
  readonly stroke: string;
  /** SVG dash pattern, so that colour is not all that tells lines apart; "" is solid. */
  readonly dash: string;
  readonly rows: ReportCurve["rows"];
}

const STYLES: readonly (readonly [stroke: string, dash: string])[] = [
  ["var(--student)", ""],
  ["var(--control)", "5 3"],
  ["var(--third)", "2 2"],
  ["var(--fourth)", "9 3 2 3"],
  ["var(--fifth)", "12 3"],
  ["var(--teacher)", "1 3"],
];

/** Lines by stage position, in the order in which they first come. */
export function curveLines(curves: readonly ReportCurve[]): CurveLine[][] {
  const lines = new Map<string, ReportCurve[]>();
  for (const curve of curves) lines.set(curve.line, [...(lines.get(curve.line) ?? []), curve]);
  // The first two have their style from the start; the others get one when they first have a line of their own.
  const styleOf = new Map([...lines.keys()].slice(0, 2).map((line, i) => [line, i]));
  const positions = Math.max(0, ...[...lines.values()].map((stages) => stages.length));
  return Array.from({ length: positions }, (_, position) => {
    const drawn = new Map<string, CurveLine>();
    for (const [line, stages] of lines) {
      const curve = stages[position];
      if (curve === undefined) continue;
      const name = curve.label ?? line;
      // A shared stage was trained once: same label and same last step, whatever line it is filed under.
      const key = `${name} ${JSON.stringify(curve.rows.at(-1))}`;
      if (drawn.has(key)) continue;
      if (!styleOf.has(line)) styleOf.set(line, styleOf.size);
      const [stroke, dash] = STYLES[(styleOf.get(line) as number) % STYLES.length] as (typeof STYLES)[number];
      const taken = [...drawn.values()].some((other) => other.name === name);
      drawn.set(key, { name: taken ? line : name, stage: curve.stage, stroke, dash, rows: curve.rows });
    }
    return [...drawn.values()];
  });
}
