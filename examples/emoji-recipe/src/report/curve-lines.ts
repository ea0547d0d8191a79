import type { ReportData } from "./report-data.ts";

const STUDENT = "DPT-SFT-DFT";
const CONTROL = "PT-SFT-SFT";

type Curve = ReportData["curves"][number];

/** One line of the panels at one stage position, drawn the same way in each of them. */
export interface CurveLine {
  /** The chain up to here: chains that share their first stages share a line. */
  readonly name: string;
  readonly stage: string;
  /** A CSS colour. */
  readonly stroke: string;
  /** SVG dash pattern, so that colour is not all that tells lines apart; "" is solid. */
  readonly dash: string;
  readonly rows: Curve["rows"];
}

const STYLES: readonly (readonly [stroke: string, dash: string])[] = [
  ["var(--student)", ""],
  ["var(--control)", "5 3"],
  ["var(--third)", "2 2"],
  ["var(--fourth)", "9 3 2 3"],
  ["var(--fifth)", "12 3"],
  ["var(--teacher)", "1 3"],
];

/** Lines by stage position, of the first seed. The distilled chain comes first and has the student's colour, the control the second. */
export function curveLines(curves: ReportData["curves"]): CurveLine[][] {
  const seed = firstSeed(curves);
  const chains = new Map<string, Curve[]>();
  for (const curve of curves)
    if (curve.seed === seed) chains.set(curve.chain, [...(chains.get(curve.chain) ?? []), curve]);
  const ordered = [...chains].sort(([a], [b]) => rank(a) - rank(b));
  // The others get a style when they first have a line of their own.
  const styleOf = new Map<string, number>([
    [STUDENT, 0],
    [CONTROL, 1],
  ]);
  const positions = Math.max(0, ...ordered.map(([, stages]) => stages.length));
  return Array.from({ length: positions }, (_, position) => {
    const lines = new Map<string, CurveLine>();
    for (const [chain, stages] of ordered) {
      const curve = stages[position];
      if (curve === undefined) continue;
      const name = stages
        .slice(0, position + 1)
        .map(({ stage }) => stage.toUpperCase())
        .join("-");
      // A shared stage was trained once: same names and same last step, whatever chain it is filed under.
      const key = `${name} ${JSON.stringify(curve.rows.at(-1))}`;
      if (lines.has(key)) continue;
      if (!styleOf.has(chain)) styleOf.set(chain, styleOf.size);
      const [stroke, dash] = STYLES[(styleOf.get(chain) as number) % STYLES.length] as (typeof STYLES)[number];
      const taken = [...lines.values()].some((line) => line.name === name);
      lines.set(key, { name: taken ? chain : name, stage: curve.stage, stroke, dash, rows: curve.rows });
    }
    return [...lines.values()];
  });
}

/** The seed whose curves are drawn. */
export function firstSeed(curves: ReportData["curves"]): number {
  return Math.min(...curves.map(({ seed }) => seed));
}

function rank(chain: string): number {
  return chain === STUDENT ? 0 : chain === CONTROL ? 1 : 2;
}
