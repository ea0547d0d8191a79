import type { FusedKernels } from "../kernels/fused-kernels.ts";
import { createRng } from "../rng.ts";
import type { Gemm } from "./types.ts";

type Heap = Pick<FusedKernels, "withScratch" | "buffer">;

const SIZES = [
  [17, 29, 41],
  [130, 90, 80], // large enough for a library's threads and blocks, and for every provider not to leave it to the kernels
] as const;
const LAYOUTS = [
  { alpha: 0.5, padding: 3 }, // rows longer than the matrix is wide
  { alpha: 1, padding: 0 },
] as const;
const TOLERANCE = 1e-4; // float32 sums of 90 products of normals stay below 1e-5; bfloat16's are above 1e-2

/** What is wrong with a product, checked against float64 loops for every transpose and beta; undefined when nothing is. */
export function checkGemm(gemm: Gemm, heap: Heap): string | undefined {
  for (const [m, n, k] of SIZES) {
    const problem = createProblem(m, n, k);
    for (const layout of LAYOUTS)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true])
          for (const beta of [0, 1] as const) {
            const worst = worstError(gemm, heap, problem, { ...layout, transposeA, transposeB, beta });
            if (worst <= TOLERANCE) continue; // NaN fails
            return `wrong product: error ${worst} at ${m}×${n}×${k}, transposes ${transposeA}/${transposeB}, beta ${beta}`;
          }
  }
  return undefined;
}

interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly at: (row: number, column: number) => number;
}
interface Problem {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly c: Matrix;
  /** A·B in float64. */
  readonly product: Matrix;
}

function createProblem(m: number, n: number, k: number): Problem {
  const rng = createRng(1);
  const matrix = (rows: number, columns: number, data: Float32Array | Float64Array): Matrix => ({
    rows,
    columns,
    at: (row, column) => data[row * columns + column] as number,
  });
  const random = (size: number): Float32Array => Float32Array.from({ length: size }, () => rng.normal());
  const [a, b] = [random(m * k), random(k * n)];
  const product = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let p = 0; p < k; p++)
      for (let j = 0; j < n; j++) (product[i * n + j] as number) += (a[i * k + p] as number) * (b[p * n + j] as number);
  return { a: matrix(m, k, a), b: matrix(k, n, b), c: matrix(m, n, random(m * n)), product: matrix(m, n, product) };
}

interface Variant {
  readonly alpha: number;
  /** Elements between a row's end and the next row. */
  readonly padding: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly beta: 0 | 1;
}

function worstError(gemm: Gemm, heap: Heap, { a, b, c, product }: Problem, variant: Variant): number {
  const { alpha, padding, transposeA, transposeB, beta } = variant;
  const left = store(transposeA ? transposed(a) : a, padding);
  const right = store(transposeB ? transposed(b) : b, padding);
  const out = store(beta === 0 ? { ...c, at: () => Number.NaN } : c, padding); // beta 0 must not read C
  return heap.withScratch((left.data.length + right.data.length + out.data.length) * 4, (atA) => {
    const atB = atA + left.data.length * 4;
    const atC = atB + right.data.length * 4;
    const view = (address: number, data: Float32Array) => new Float32Array(heap.buffer(), address, data.length);
    view(atA, left.data).set(left.data);
    view(atB, right.data).set(right.data);
    view(atC, out.data).set(out.data);
    const [m, n, k] = [c.rows, c.columns, a.columns];
    gemm(transposeA, transposeB, m, n, k, alpha, atA, left.stride, atB, right.stride, beta, atC, out.stride);
    const got = view(atC, out.data);
    let worst = 0;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const want = alpha * product.at(i, j) + (beta === 1 ? c.at(i, j) : 0);
        worst = Math.max(worst, Math.abs((got[i * out.stride + j] as number) - want)); // NaN stays
      }
      for (let j = n; j < out.stride; j++) if (!Number.isNaN(got[i * out.stride + j])) return Number.POSITIVE_INFINITY; // wrote beyond the row
    }
    return worst;
  });
}

const transposed = ({ rows, columns, at }: Matrix): Matrix => ({
  rows: columns,
  columns: rows,
  at: (row, column) => at(column, row),
});

/** Row-major, with NaN after each row's end: whoever takes the width for the stride meets it. */
function store({ rows, columns, at }: Matrix, padding: number): { data: Float32Array; stride: number } {
  const stride = columns + padding;
  const data = new Float32Array(rows * stride).fill(Number.NaN);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[i * stride + j] = at(i, j);
  return { data, stride };
}
