import fc from "fast-check";
import type { RdistForm } from "../src/index.ts";
import { dot, type Matrix, matrices, meanOf, product, type Rows } from "./matrices.ts";

/** Logits H·Wᵀ as factors. */
export interface Side {
  readonly hidden: Rows;
  readonly head: Rows;
}
export interface Case {
  readonly student: Side;
  readonly teacher: Side;
  readonly lengths: readonly number[];
}

/** Numbers on a grid: differences are either 0 or far from it, as a matrix of almost nothing has no direction that float32 could keep. */
const onGrid = (rows: number, columns: number, scale: number): fc.Arbitrary<Matrix> =>
  matrices(
    rows,
    columns,
    fc.integer({ min: -16, max: 16 }).map((x) => (x * scale) / 16),
  );

/** Spans of both sides, of different widths; `sameVocabulary` for cases in which each id must have a counterpart. */
export const cases = ({ scale = 2, sameVocabulary = false } = {}): fc.Arbitrary<Case> =>
  fc
    .record({
      lengths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      v: fc.integer({ min: 3, max: 6 }),
      more: sameVocabulary ? fc.constant(0) : fc.integer({ min: -1, max: 2 }),
      d: fc.integer({ min: 2, max: 3 }),
      e: fc.integer({ min: 2, max: 4 }),
    })
    .chain(({ lengths, v, more, d, e }) => {
      const rows = lengths.reduce((a, b) => a + b, 0);
      const side = (ids: number, width: number) =>
        fc.record({ hidden: onGrid(rows, width, scale), head: onGrid(ids, width, scale) });
      return fc.record({ student: side(v, d), teacher: side(v + more, e), lengths: fc.constant(lengths) });
    });

export const forms: fc.Arbitrary<Required<RdistForm>> = fc.record({
  over: fc.constantFrom("common-vocabulary", "own-vocabulary", "hidden"),
  centre: fc.constantFrom("none", "tokens", "both"),
  unitRows: fc.boolean(),
  flavour: fc.constantFrom("per-span", "whole-batch"),
});

export const logitsOf = ({ hidden, head }: Side): Matrix => product(hidden, head);

const centredRow = (row: readonly number[]): number[] => row.map((x) => x - meanOf(row));

/** One side's matrices in float64, from the definition. */
function gramsOf(side: Side, lengths: readonly number[], form: RdistForm, ids: number): number[][] {
  const all = form.over === "hidden" ? side.hidden : logitsOf(side).map((row) => row.slice(0, ids));
  let at = 0;
  return lengths.map((n) => {
    let z = all.slice(at, at + n).map((row) => [...row]);
    at += n;
    if (form.centre === "tokens" || form.centre === "both") {
      const common = (z[0] ?? []).map((_, j) => meanOf(z.map((row) => row[j] as number)));
      z = z.map((row) => row.map((x, j) => x - (common[j] as number)));
    }
    if (form.centre === "both") z = z.map(centredRow);
    if (form.unitRows)
      z = z.map((row) => {
        const length = Math.sqrt(dot(row, row));
        return row.map((x) => (length < 1e-9 ? 0 : x / length));
      });
    return z.flatMap((a) => z.map((b) => dot(a, b)));
  });
}

/** The definition in float64; undefined where a side has a matrix or a row that is almost nothing, though not exactly. */
export function reference({ student, teacher, lengths }: Case, form: RdistForm): number | undefined {
  const own = form.over === "own-vocabulary";
  const common = Math.min(student.head.length, teacher.head.length);
  const [ours, theirs] = [student, teacher].map((side) =>
    gramsOf(side, lengths, form, own ? side.head.length : common),
  ) as [number[][], number[][]];
  if ([...ours, ...theirs].some((g) => hasNoise(g))) return undefined;
  const distance = (a: readonly number[], b: readonly number[]) => {
    const [aa, bb] = [dot(a, a), dot(b, b)];
    if (aa === 0 && bb === 0) return 0;
    return 1 - (aa === 0 || bb === 0 ? 0 : dot(a, b) / Math.sqrt(aa) / Math.sqrt(bb));
  };
  if (form.flavour === "whole-batch") return distance(ours.flat(), theirs.flat());
  return meanOf(ours.map((g, i) => distance(g, theirs[i] as number[])));
}

/** A row that its centring left next to nothing of: float32 and float64 disagree about its direction. */
function hasNoise(gram: readonly number[]): boolean {
  const n = Math.sqrt(gram.length);
  return Array.from({ length: n }, (_, i) => gram[i * n + i] as number).some((x) => x < 1e-4 && (n > 1 || x > 0));
}
