import type { DivergenceOptions } from "../src/index.ts";
import type { Pair, Rows } from "./matrices.ts";

/** A divergence of two distributions, from their logarithms. */
export type Definition = (logP: readonly number[], logQ: readonly number[]) => number;

const kl: Definition = (logP, logQ) =>
  logP.reduce((sum, l, j) => sum + (l === Number.NEGATIVE_INFINITY ? 0 : Math.exp(l) * (l - (logQ[j] as number))), 0);

const logOfMixture = (share: number, a: readonly number[], b: readonly number[]): number[] =>
  a.map((x, j) => {
    const [u, v] = [Math.log(share) + x, Math.log(1 - share) + (b[j] as number)];
    return Math.max(u, v) + Math.log1p(Math.exp(-Math.abs(u - v)));
  });

/** In float64, as they are written down. */
export const definitions = {
  forwardKl: kl,
  reverseKl: (p, q) => kl(q, p),
  symmetricKl: (p, q) => (kl(p, q) + kl(q, p)) / 2,
  totalVariation: (p, q) => p.reduce((sum, l, j) => sum + Math.abs(Math.exp(l) - Math.exp(q[j] as number)), 0) / 2,
  softCrossEntropy: (p, q) => -p.reduce((sum, l, j) => sum + Math.exp(l) * (q[j] as number), 0),
} satisfies Record<string, Definition>;

export const jsdOf =
  (beta: number): Definition =>
  (p, q) => {
    const m = logOfMixture(beta, p, q);
    return beta * kl(p, m) + (1 - beta) * kl(q, m);
  };
export const skewedForwardOf =
  (alpha: number): Definition =>
  (p, q) =>
    kl(p, logOfMixture(alpha, p, q));
export const skewedReverseOf =
  (alpha: number): Definition =>
  (p, q) =>
    kl(q, logOfMixture(alpha, q, p));

/** Over k ids and one outcome for the rest, whose logarithm is taken of the other ids alone. */
export const topKOf =
  (ids: readonly number[]): Definition =>
  (logP, logQ) => {
    const cut = (logs: readonly number[]): number[] => [
      ...ids.map((id) => logs[id] as number),
      logSumExp(logs.filter((_, id) => !ids.includes(id))),
    ];
    return ids.length === logP.length ? kl(logP, logQ) : kl(cut(logP), cut(logQ));
  };

const logSumExp = (z: readonly number[]): number => {
  const top = Math.max(...z);
  return top + Math.log(z.reduce((sum, x) => sum + Math.exp(x - top), 0));
};
export const logSoftmax = (z: readonly number[]): number[] => {
  const total = logSumExp(z);
  return z.map((x) => x - total);
};

type Told = Partial<Pick<DivergenceOptions, "rows" | "rowWeights" | "temperature" | "count" | "vocabulary">>;

/** A loss on rows by its definition: the mean over rows, of the first common ids, times T². */
export function lossOf(
  definition: Definition,
  { student, teacher }: Pair,
  { rows, rowWeights, temperature: T = 1, count, vocabulary }: Told = {},
): number {
  const read = rows ? [...rows] : [...student.keys()];
  const weight = (row: number): number => Math.fround(rowWeights?.[row] ?? 1);
  const by = count ?? read.reduce((sum, row) => sum + weight(row), 0);
  let sum = 0;
  for (const row of read) {
    if (weight(row) === 0) continue;
    const [s, t] = [student[row], teacher[row]] as [readonly number[], readonly number[]];
    const common = vocabulary ?? Math.min(s.length, t.length);
    const logs = (z: readonly number[]): number[] => logSoftmax(z.slice(0, common).map((x) => x / T));
    sum += weight(row) * T ** 2 * definition(logs(t), logs(s));
  }
  return by === 0 ? 0 : sum / by;
}

/** Central differences of a function of the student's logits; undefined at a kink. */
export function slopes(of: (student: Rows) => number, student: Rows, step = 1e-5): (number | undefined)[] {
  const here = of(student);
  return student.flatMap((row, r) =>
    row.map((x, j) => {
      const moved = (by: number): number => of(student.map((y, i) => (i === r ? y.with(j, x + by) : y)));
      const [up, down] = [(moved(step) - here) / step, (here - moved(-step)) / step];
      return Math.abs(up - down) > 1e-5 * (1 + Math.abs(here)) ? undefined : (up + down) / 2;
    }),
  );
}
