import * as Plot from "@observablehq/plot";
import { document, line, panels } from "./panels.ts";

/** A normal distribution by its mean and deviation. */
type Normal = readonly [mean: number, deviation: number];

const [FROM, TO, STEP] = [-7, 7, 0.02];
const GRID = Array.from({ length: Math.round((TO - FROM) / STEP) + 1 }, (_, i) => FROM + i * STEP);
const density = ([mean, deviation]: Normal, x: number): number =>
  Math.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * Math.sqrt(2 * Math.PI));
/** Probabilities of the grid's cells. */
const cells = (of: (x: number) => number): number[] => {
  const values = GRID.map(of);
  const total = values.reduce((a, b) => a + b, 0);
  return values.map((value) => value / total);
};

const kl = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((sum, x, i) => (x > 1e-300 ? sum + x * Math.log(x / Math.max(q[i] as number, 1e-300)) : sum), 0);
const middle = (p: readonly number[], q: readonly number[]): number[] => p.map((x, i) => (x + (q[i] as number)) / 2);
const DIVERGENCES: Readonly<Record<string, (teacher: number[], student: number[]) => number>> = {
  "forward KL(p ‖ q)": kl,
  "reverse KL(q ‖ p)": (p, q) => kl(q, p),
  "Jensen–Shannon, β = 1/2": (p, q) => (kl(p, middle(p, q)) + kl(q, middle(p, q))) / 2,
};

const PEAKS = [
  [0.6, [-2, 0.6]],
  [0.4, [2, 0.9]],
] as const;

/** The best of ever finer grids around the best so far: no gradient, and no start to depend on. */
function fit(loss: (student: Normal) => number): Normal {
  const steps = Array.from({ length: 17 }, (_, i) => i / 8 - 1);
  let best: Normal = [0, 2];
  for (let wide = 4; wide > 1e-3; wide /= 4) {
    const [mean, deviation] = best;
    const near = steps.flatMap((x) =>
      steps.map((y): Normal => [mean + wide * x, deviation * Math.exp(0.4 * wide * y)]),
    );
    best = near.map((student) => ({ student, at: loss(student) })).reduce((a, b) => (b.at < a.at ? b : a)).student;
  }
  return best;
}

const [WIDTH, HEIGHT] = [300, 210];

/** What the directions of a divergence do to a student with one peak whose teacher has two: one panel each, fitted numerically. */
export function klDirections(): string {
  const teacherAt = (x: number): number => PEAKS.reduce((sum, [weight, peak]) => sum + weight * density(peak, x), 0);
  const teacher = cells(teacherAt);
  const parts = Object.entries(DIVERGENCES).map(([name, divergence], i) => {
    const student = fit((normal) =>
      divergence(
        teacher,
        cells((x) => density(normal, x)),
      ),
    );
    const value = divergence(
      teacher,
      cells((x) => density(student, x)),
    );
    const points = GRID.filter((_, j) => j % 4 === 0).map((x) => ({ x, p: teacherAt(x), q: density(student, x) }));
    const svg = Plot.plot({
      document,
      width: WIDTH,
      height: HEIGHT,
      marginLeft: 34,
      x: { label: null },
      y: { label: null, domain: [0, 0.68], ticks: 4 },
      marks: [
        Plot.areaY(points, { x: "x", y: "p", fill: "#b9c4d6" }),
        Plot.lineY(points, { x: "x", y: "q", stroke: "#c8452c", strokeWidth: 2 }),
        Plot.ruleY([0]),
      ],
    }).outerHTML;
    const mean = student[0].toFixed(2).replace("-", "−");
    const found = `mean ${mean}, deviation ${student[1].toFixed(2)}; ${value.toFixed(3)} nats`;
    const text = line(name, { x: 34, y: 16, size: 14, weight: 600 }) + line(found, { x: 34, y: 33, size: 11 });
    return { x: i * (WIDTH + 12) + 6, y: 6, svg: `${text}<g transform="translate(0 40)">${svg}</g>` };
  });
  const key = line(
    "grey: the teacher p, 0.6·N(−2, 0.6) + 0.4·N(2, 0.9); red: the normal distribution q that is closest to it",
    { size: 12 },
  );
  return panels([3 * (WIDTH + 12), HEIGHT + 78], [...parts, { x: 40, y: HEIGHT + 64, svg: key }]);
}
