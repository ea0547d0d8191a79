import { KdError } from "@kd/contract";
import { type Input, type TensorflowOps, tensorflowOps } from "../backend/tensorflow-ops.ts";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import { constant, differentiable, type Operand, tensorOf } from "../operand.ts";
import {
  add,
  concat,
  mul,
  neg,
  reshape,
  slice,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor2d,
  tidy,
} from "../ops.ts";
import { tensorflowMath } from "./tensorflow-math.ts";

/** Cosines and sines of every position. */
export interface RopeTables {
  /** `[T, headDim]`, second half equal to the first, as in Hugging Face. */
  readonly cos: Tensor2D;
  readonly sin: Tensor2D;
}

/**
 * Tables of rotary position embedding (arXiv 2104.09864), computed in float64 and stored in float32.
 *
 * @param options.positions a count (0, 1, …) or the positions themselves
 * @param options.theta base of the frequencies, Hugging Face's `rope_theta`
 * @returns the caller's to dispose
 */
export function ropeTables(options: {
  readonly positions: number | Int32Array;
  readonly headDim: number;
  readonly theta: number;
}): RopeTables {
  const { headDim, theta } = options;
  if (headDim % 2 !== 0) throw new KdError("KD_CONFIG", `ropeTables: headDim must be even, got ${headDim}`);
  const positions =
    typeof options.positions === "number"
      ? Int32Array.from({ length: options.positions }, (_, i) => i)
      : options.positions;
  const cos = new Float32Array(positions.length * headDim);
  const sin = new Float32Array(positions.length * headDim);
  for (const [row, position] of positions.entries())
    for (let i = 0; i < headDim; i++) {
      const angle = position * theta ** (-(2 * (i % (headDim / 2))) / headDim);
      cos[row * headDim + i] = Math.cos(angle);
      sin[row * headDim + i] = Math.sin(angle);
    }
  const shape: [number, number] = [positions.length, headDim];
  return { cos: tensor2d(cos, shape), sin: tensor2d(sin, shape) };
}

/** Rotates each head by its position: `x [B, T, H, headDim]` with tables of T rows. */
export function rope(x: Operand<Tensor4D>, { cos, sin }: RopeTables): Tensor4D {
  const shape = tensorOf(x).shape;
  if (shape.length !== 4 || shape[1] !== cos.shape[0] || shape[3] !== cos.shape[1])
    throw new KdError(
      "KD_SHAPE",
      `rope: x must be [B, ${cos.shape[0]}, H, ${cos.shape[1]}], got [${shape.join(", ")}]`,
    );
  return differentiable({ x, cos: constant(cos), sin: constant(sin) }, (t) => ({
    value: rotate(t.x, t, 1),
    reads: ["cos", "sin"],
    backward: (dy: Tensor) => ({ x: rotate(dy, t, -1) }), // a rotation's transpose is its inverse
  })) as Tensor4D;
}

function rotate(x: Tensor, { cos, sin }: Record<"cos" | "sin", Tensor>, direction: 1 | -1): Tensor {
  const [batch, length, heads, headDim] = x.shape as [number, number, number, number];
  const k = fusedKernels();
  if (k !== undefined) {
    const y = k.output(x.shape);
    const args = [x, y, cos, sin].map((tensor) => k.address(tensor));
    k.run("rope", [...args, length, heads, headDim, direction], batch * length, { work: x.size });
    return y;
  }
  const ops = tensorflowOps();
  const kernel = ops?.kernel;
  if (kernel) return ops.compute(() => kernel("KdRope", [x, cos, sin, direction]))[0] as Tensor;
  if (ops !== undefined) return rolled(ops, x, { cos, sin }, direction);
  return tidy(() => {
    const half = headDim / 2;
    const first = slice(x, [0, 0, 0, 0], [-1, -1, -1, half]);
    const second = slice(x, [0, 0, 0, half], [-1, -1, -1, half]);
    const turned = direction === 1 ? concat([neg(second), first], -1) : concat([second, neg(first)], -1);
    const table = (t: Tensor) => reshape(t, [1, length, 1, headDim]);
    return add(mul(x, table(cos)), mul(turned, table(sin)));
  });
}

const CONCAT = { T: "float32", Tidx: "int32", N: 2 };
const ROLL = { T: "float32", Tshift: "int32", Taxis: "int32" };
const SLICE = { T: "float32", Index: "int32" };

/** With the halves swapped in one operation, and the sign of the first in its sines. */
function rolled(ops: TensorflowOps, x: Tensor, { cos, sin }: Record<"cos" | "sin", Tensor>, direction: 1 | -1): Tensor {
  const { mul, reshape } = tensorflowMath(ops);
  const [length, headDim] = cos.shape as [number, number];
  const half = headDim / 2;
  const table = (t: Input) => reshape(t, [1, length, 1, headDim]);
  const signed = () => {
    const part = (column: number) => ops.op("Slice", [sin, [0, column], [length, half]], SLICE);
    return table(ops.op("ConcatV2", [ops.op("Neg", [part(0)]), part(half), { int: 1 }], CONCAT));
  };
  const [y] = ops.compute(() => {
    const sines = ops.latest("signed sines", [sin.dataId], signed); // those of every layer
    const turned = mul(ops.op("Roll", [x, [half], [3]], ROLL), sines);
    return [ops.op(direction === 1 ? "AddV2" : "Sub", [mul(x, table(cos)), turned])];
  }) as [Tensor];
  return y;
}
