import { KdError } from "@kd/contract";
import { type BackendValues, type DataId, KernelBackend } from "@tensorflow/tfjs-core";
import { fusedKernels } from "./kernels/fused-kernels.ts";
import { engine, slice, type Tensor, type Tensor2D, tensor } from "./ops.ts";

/** How the 16 bits of a number are used. */
export type HalfFormat = "bf16" | "fp16";

/** The numbers of a {@link halfTensor}. */
export interface HalfData {
  readonly format: HalfFormat;
  readonly words: Uint16Array;
}

/**
 * A frozen float32 tensor whose numbers are kept as 16-bit words in ordinary memory, outside the engine's. The neural operations of this
 * package widen it while they run; reading, saving and disposing it is as usual. A stock operation moves it into the engine's memory, as
 * float32 and for good: right, but nothing is saved any more.
 *
 * @param data.words row-major; borrowed, not copied
 * @throws KdError `KD_SHAPE` when words and shape differ in size.
 */
export function halfTensor({ format, words, shape }: HalfData & { readonly shape: readonly number[] }): Tensor {
  const size = shape.reduce((product, n) => product * n, 1);
  if (words.length !== size)
    throw new KdError("KD_SHAPE", `halfTensor: [${shape.join(", ")}] needs ${size} words, got ${words.length}`);
  const info = { dataId: {}, shape: [...shape], dtype: "float32" as const };
  return engine().makeTensorFromTensorInfo(info, new HalfStore({ format, words })) as Tensor;
}

/** The 16-bit numbers of a tensor; undefined when it has none, or has them no more. */
export function halfOf({ dataId }: Tensor): HalfData | undefined {
  const backend: unknown = engine().state.tensorInfo.get(dataId)?.backend;
  return backend instanceof HalfStore ? backend.data : undefined;
}

/** A tensor in the engine's memory: itself, or a half one's numbers in a new one. */
export function widen<T extends Tensor>(t: T): T {
  const half = halfOf(t);
  return half === undefined ? t : (widenData(half, t.shape) as T);
}

/** A new float32 tensor in the engine's memory. */
export function widenData(half: HalfData, shape: readonly number[]): Tensor {
  const k = fusedKernels();
  if (k === undefined) return tensor(widened(half), [...shape]);
  const wide = k.output(shape);
  widenInto(half, k.buffer(), k.address(wide));
  return wide;
}

/** Rows of a matrix, `[count, D]`: of a half one a half one on the same words. */
export function sliceRows(matrix: Tensor2D, from: number, count: number): Tensor2D {
  const half = halfOf(matrix);
  const width = matrix.shape[1];
  if (half === undefined) return slice(matrix, [from, 0], [count, width]);
  const words = half.words.subarray(from * width, (from + count) * width);
  return halfTensor({ ...half, words, shape: [count, width] }) as Tensor2D;
}

/** Numbers that are widened at once: 16 MiB of float32, small beside a layer and enough for a fast matrix product. */
export const SLICE: number = 2 ** 22;

/** Whether a matrix is in 16 bits and too large to be widened at once. */
export function isLargeHalf(matrix: Tensor2D): boolean {
  return matrix.size > SLICE && matrix.shape[0] > 1 && halfOf(matrix) !== undefined;
}

/** A half matrix in slices of rows that are worth widening one at a time; new half tensors on the same words. */
export function wideSlices(matrix: Tensor2D): Tensor2D[] {
  const [rows, width] = matrix.shape;
  const count = Math.max(1, Math.floor(SLICE / width));
  return Array.from({ length: Math.ceil(rows / count) }, (_, i) =>
    sliceRows(matrix, i * count, Math.min(count, rows - i * count)),
  );
}

/** Rows of a half matrix by their indices, widened; only they are. */
export function pickRows({ format, words }: HalfData, indices: Int32Array, width: number): Tensor2D {
  const picked = new Uint16Array(indices.length * width);
  for (const [i, row] of indices.entries()) picked.set(words.subarray(row * width, (row + 1) * width), i * width);
  return tensor(widened({ format, words: picked }), [indices.length, width]) as Tensor2D;
}

/** Writes float32 numbers to a buffer from a byte address on. */
export function widenInto({ format, words }: HalfData, buffer: ArrayBufferLike, address: number): void {
  const bits = new Int32Array(buffer, address, words.length); // signed: a third faster
  const count = words.length;
  if (format === "bf16") {
    for (let i = 0; i < count; i++) bits[i] = (words[i] as number) << 16;
    return;
  }
  const floats = new Float32Array(buffer, address, count);
  for (let i = 0; i < count; i++) {
    const word = words[i] as number;
    bits[i] = ((word & 0x8000) << 16) | ((word & 0x7fff) << 13);
    if ((word & 0x7c00) === 0x7c00)
      (bits[i] as number) |= 0x7f800000; // infinite or no number
    else (floats[i] as number) *= 2 ** 112; // the exponents' zeros differ by 112; exact, below the normal numbers too
  }
}

function widened(half: HalfData): Float32Array {
  const values = new Float32Array(half.words.length);
  widenInto(half, values.buffer, 0);
  return values;
}

/** Where tfjs finds one half tensor's numbers: a backend that stores and computes nothing. */
class HalfStore extends KernelBackend {
  readonly data: HalfData;
  #references = 1;

  constructor(data: HalfData) {
    super();
    this.data = data;
  }
  override readSync(): BackendValues {
    return widened(this.data);
  }
  override async read(): Promise<BackendValues> {
    return this.readSync();
  }
  override incRef(): void {
    this.#references++;
  }
  override refCount(): number {
    return this.#references;
  }
  override disposeData(_: DataId, force = false): boolean {
    this.#references = force ? 0 : this.#references - 1;
    return this.#references <= 0;
  }
  override numDataIds(): number {
    return 1;
  }
}
