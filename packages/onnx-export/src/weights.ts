import { KdError } from "@kd/contract";
import { type StoredTensor, toFloat32, toHalf } from "@kd/safetensors";
import type { Weights as StoredWeights } from "@kd/safetensors/node";
import type { LazyBytes } from "./wire.ts";

/** Where a parameter is stored. */
export interface StoredAt {
  readonly weights: StoredWeights;
  readonly stored: string;
  readonly shape: readonly number[];
}

/** The parameters of a model under Hugging Face's older names. */
export interface Weights {
  has(name: string): boolean;
  shape(name: string): readonly number[];
  /** Its numbers in the bytes of a float32 or float16 array, a matrix `[out, in]` turned to `[in, out]` on request. */
  bytes(name: string, options: { readonly half: boolean; readonly transposed: boolean }): LazyBytes;
}

/** Parameters from their places. Every name asked for must be there. */
export function weightsOf(places: ReadonlyMap<string, StoredAt>): Weights {
  const shape = (name: string) => places.get(name)?.shape ?? [];
  return {
    has: (name) => places.has(name),
    shape,
    bytes(name, { half, transposed }) {
      const read = async () => {
        const tensor = await readTensor(places.get(name) as StoredAt);
        const numbers = half ? halves(tensor, name) : toFloat32(tensor);
        return bytesOf(transposed ? transpose(numbers, shape(name) as [number, number]) : numbers);
      };
      return { byteLength: shape(name).reduce((product, size) => product * size, half ? 2 : 4), read };
    },
  };
}

async function readTensor({ weights, stored }: StoredAt): Promise<StoredTensor> {
  for await (const [, tensor] of weights.stream([stored])) return tensor;
  throw new KdError("KD_WEIGHTS", `${weights.path}: tensor "${stored}" is missing`);
}

function halves(tensor: StoredTensor, name: string): Uint16Array {
  const words = toHalf(tensor, "F16");
  let beyond = false;
  for (let i = 0; i < words.length; i++) beyond ||= ((words[i] as number) & 0x7c00) === 0x7c00; // not `some`: a call a number
  if (beyond)
    throw new KdError(
      "KD_WEIGHTS",
      `tensor "${name}": expected numbers within ±65504, which float16 can hold, got a greater one; export it as fp32`,
    );
  return words;
}

/** Rows to columns, in squares that stay in the processor's cache. */
function transpose<T extends Float32Array | Uint16Array>(source: T, [rows, columns]: readonly [number, number]): T {
  const side = 32;
  const target = new (source.constructor as new (length: number) => T)(source.length);
  for (let top = 0; top < rows; top += side)
    for (let left = 0; left < columns; left += side)
      for (let r = top; r < Math.min(rows, top + side); r++)
        for (let c = left; c < Math.min(columns, left + side); c++)
          target[c * rows + r] = source[r * columns + c] as number;
  return target;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
